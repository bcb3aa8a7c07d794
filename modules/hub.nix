# The hub: sign-up, approval, login, and the students' containers by way of the engine.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
in
{
  config = lib.mkIf cfg.enable {
    users.users.classroom = {
      isSystemUser = true;
      group = "classroom";
      home = "/var/lib/classroom";
    };
    users.groups.classroom = { };

    systemd.services.classroom-hub = {
      description = "Hub of the class";
      wantedBy = [ "multi-user.target" ];
      # Wanted, not required: the hub outlives an engine that is restarted, and waits for one that is away.
      wants = [
        "classroom-network.service"
        "classroom-proxy.service"
        "docker.service"
        "network-online.target"
      ];
      after = [
        "classroom-network.service"
        "classroom-proxy.service"
        "docker.service"
        "network-online.target"
      ];
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} hub --settings ${cfg.settingsFile}";
        User = "classroom";
        Group = "classroom";
        SupplementaryGroups = [ "docker" ];
        # The group of the engine's socket is a group of the machine.
        PrivateUsers = false;
        # psutil, which the hub's metrics ask, reads /proc/stat.
        ProcSubset = "all";
        # cffi makes its callbacks at run time (cryptography, aiodns).
        MemoryDenyWriteExecute = false;
        # A bcrypt hash in a thread: Python asks for its own priority.
        SystemCallFilter = [
          "@system-service"
          "~@privileged"
        ];
        LoadCredential = config.services.classroom.credentials;
        StateDirectory = "classroom";
        StateDirectoryMode = "0700";
        Restart = "always";
        RestartSec = 2;
        # Students' servers are containers; what the hub itself started (the culler) goes with it.
        TimeoutStopSec = 30;
      };
      # A hub that cannot start says so in its log every few seconds rather than giving up for the night.
      startLimitIntervalSec = 0;
    };
  };

  options.services.classroom.credentials = lib.mkOption {
    internal = true;
    readOnly = true;
    type = lib.types.listOf lib.types.str;
    description = "The secrets that come from files, as systemd's LoadCredential= takes them.";
    default = lib.mapAttrsToList (name: file: "${name}:${file}") (
      lib.filterAttrs (_: file: file != null) {
        cookie-secret = cfg.secrets.cookieSecret;
        crypt-key = cfg.secrets.cryptKey;
        proxy-token = cfg.secrets.proxyToken;
        cli-token = cfg.secrets.cliToken;
        metrics-token = cfg.secrets.metricsToken;
      }
    );
  };
}
