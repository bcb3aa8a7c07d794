# The class bridge and its rules: `classroom network up`, the same as in every other deployment.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
  # What may flush or rewrite rules. Reading ours twice is reading them once.
  firewalls = [
    "firewall.service"
    "nftables.service"
  ];
  up = "${lib.getExe cfg.package} network up --settings ${cfg.settingsFile}";
in
{
  config = lib.mkIf cfg.enable {
    # For `classroom network up` and `classroom doctor` in an operator's shell.
    environment.systemPackages = [ pkgs.nftables ];

    systemd.services.classroom-network = {
      description = "Bridge of the class and its firewall rules";
      wantedBy = [ "multi-user.target" ];
      wants = [ "docker.service" ];
      after = [ "docker.service" ] ++ firewalls;
      partOf = firewalls;
      unitConfig.ReloadPropagatedFrom = firewalls;
      path = [
        pkgs.iptables
        pkgs.nftables
      ];
      # The bridge stays when the unit stops: containers are on it.
      serviceConfig = hardening // {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = up;
        ExecReload = up;
        # Rules are root's in the network namespace of the machine; the engine's socket is root's too.
        CapabilityBoundingSet = [ "CAP_NET_ADMIN CAP_NET_RAW" ];
        AmbientCapabilities = [ "CAP_NET_ADMIN CAP_NET_RAW" ];
        PrivateUsers = false;
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_NETLINK"
          "AF_UNIX"
        ];
        MemoryDenyWriteExecute = false; # as the hub
        # The lock of iptables.
        RuntimeDirectory = "classroom-network";
        Environment = [ "XTABLES_LOCKFILE=/run/classroom-network/xtables.lock" ];
        Restart = "on-failure";
        RestartSec = 5;
      };
      startLimitIntervalSec = 0;
    };

    # For a firewall that refuses what it does not know, whichever of the two programs writes it.
    networking.firewall.interfaces.${cfg.network.bridge}.allowedTCPPorts = [ cfg.network.apiPort ];
  };
}
