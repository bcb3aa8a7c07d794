# Class bridge and its firewall rules: `classroom network up`, as in every other deployment.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
  # Units that may delete or rewrite rules. Loading our rules twice has the same result as loading them once.
  firewalls = [
    "firewall.service"
    "nftables.service"
  ];
  hasDomains = cfg.network.domains != [ ];
  up = "${lib.getExe cfg.package} network up --settings /etc/classroom/settings.json";
  # Of iptables. systemd removes the directory when the unit of this name ends.
  lock = {
    RuntimeDirectory = "%N";
    Environment = [ "XTABLES_LOCKFILE=%t/%N/xtables.lock" ];
  };
in
{
  config = lib.mkIf cfg.enable {
    # For `classroom network up` and `classroom doctor` in an operator's shell.
    environment.systemPackages = [ pkgs.nftables ];

    systemd.services.classroom-network = {
      description = "Class bridge and firewall rules";
      wantedBy = [ "multi-user.target" ];
      wants = [ "docker.service" ];
      after = [ "docker.service" ] ++ firewalls;
      partOf = firewalls;
      unitConfig.ReloadPropagatedFrom = firewalls;
      # A restart does what a reload does, and is tried again if it fails.
      restartTriggers = cfg.settingsParts.network;
      path = [
        pkgs.iptables
        pkgs.nftables
      ];
      # The bridge stays when the unit stops, because containers use it.
      serviceConfig = hardening // {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = up;
        ExecReload = up;
        # Only root in the network namespace of the machine may change rules. Root owns the engine's socket too.
        CapabilityBoundingSet = [ "CAP_NET_ADMIN CAP_NET_RAW" ];
        AmbientCapabilities = [ "CAP_NET_ADMIN CAP_NET_RAW" ];
        PrivateUsers = false;
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_NETLINK"
          "AF_UNIX"
        ];
        MemoryDenyWriteExecute = false; # as for the hub
        inherit (lock) RuntimeDirectory Environment;
        Restart = "on-failure";
        RestartSec = 5;
      };
      startLimitIntervalSec = 0;
    };

    # Another program may remove the rules: `nft flush ruleset`, `nftables.service` with `flushRuleset`, `iptables -F`.
    # The kernel tells the watcher, which loads them again.
    systemd.services.classroom-network-watch = {
      description = "Watcher of the firewall rules of the class bridge";
      wantedBy = [ "multi-user.target" ];
      wants = [ "classroom-network.service" ];
      after = [ "classroom-network.service" ];
      restartTriggers = cfg.settingsParts.network;
      inherit (config.systemd.services.classroom-network) path;
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} network watch --settings /etc/classroom/settings.json";
        DynamicUser = true;
        CapabilityBoundingSet = [ "CAP_NET_ADMIN" ];
        AmbientCapabilities = [ "CAP_NET_ADMIN" ];
        PrivateUsers = false; # the firewall of the machine
        RestrictAddressFamilies = [ "AF_NETLINK" ];
        IPAddressDeny = "any";
        MemoryDenyWriteExecute = false; # as for the hub
        MemoryMax = "256M";
        inherit (lock) RuntimeDirectory Environment;
        Restart = "always";
        RestartSec = 1;
      };
      startLimitIntervalSec = 0;
    };

    services.classroom.again = [ "network" ];

    # It writes the addresses of allowed domains into the rules, and asks name servers outside.
    systemd.services.classroom-resolver = lib.mkIf hasDomains {
      description = "Name server for the domains that students' servers may reach";
      wantedBy = [ "multi-user.target" ];
      wants = [
        "classroom-network.service"
        "network-online.target"
      ];
      after = [
        "classroom-network.service"
        "network-online.target"
      ];
      restartTriggers = cfg.settingsParts.resolver;
      path = [ pkgs.dnsmasq ];
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} network resolver --settings /etc/classroom/settings.json";
        DynamicUser = true;
        CapabilityBoundingSet = [ "CAP_NET_ADMIN CAP_NET_BIND_SERVICE" ];
        AmbientCapabilities = [ "CAP_NET_ADMIN CAP_NET_BIND_SERVICE" ];
        PrivateUsers = false; # the firewall of the machine
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_NETLINK"
          "AF_UNIX"
        ];
        MemoryDenyWriteExecute = false; # as for the hub
        MemoryMax = "256M";
        Restart = "always";
        RestartSec = 1;
      };
      startLimitIntervalSec = 0;
    };

    # A default-deny firewall needs these rules, with iptables as with nftables.
    networking.firewall.interfaces.${cfg.network.bridge} = {
      allowedTCPPorts = [ cfg.network.apiPort ] ++ lib.optional hasDomains 53;
      allowedUDPPorts = lib.optional hasDomains 53;
    };
    # A firewall that also drops what it forwards. The class's own rules say where students' servers may go.
    networking.firewall.extraForwardRules = lib.mkIf (config.networking.firewall.filterForward or false) ''
      iifname "${cfg.network.bridge}" accept comment "the rules of the class decide"
    '';

    # A container could answer as DHCP server and give the machine another route and name server: dhcpcd reads packets
    # before the firewall does.
    networking.dhcpcd.denyInterfaces = [
      cfg.network.bridge
      "veth*"
    ];
  };
}
