# Hub: sign-up, approval, login, and the students' containers.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
  engineSockets = import ./engine-sockets.nix;
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
      # Not `requires`: the hub keeps running while the engine restarts, and waits while the engine is away.
      wants = [
        "classroom-engine.socket"
        "classroom-network.service"
        "classroom-proxy.service"
        "docker.service"
        "network-online.target"
      ];
      after = [
        "classroom-engine.socket"
        "classroom-network.service"
        "classroom-proxy.service"
        "docker.service"
        "network-online.target"
      ];
      restartTriggers = [ cfg.settingsFile ];
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} hub --settings /etc/classroom/settings.json";
        User = "classroom";
        Group = "classroom";
        # The engine answers through its filter (engine.nix). With these sockets the hub would be root on the machine.
        InaccessiblePaths = hardening.InaccessiblePaths ++ map (path: "-${path}") engineSockets;
        # psutil reads /proc/stat for the hub's metrics.
        ProcSubset = "all";
        # cffi creates callbacks at run time (cryptography, aiodns).
        MemoryDenyWriteExecute = false;
        # Without ~@resources: Python reads its own priority for a bcrypt hash in a thread.
        SystemCallFilter = [
          "@system-service"
          "~@privileged"
        ];
        LoadCredential = config.services.classroom.credentials;
        StateDirectory = "classroom";
        StateDirectoryMode = "0700";
        PrivateMounts = true;
        # The hub of a small class uses 130M. A flood of requests ends the hub, and no student's server.
        MemoryHigh = "1536M";
        MemoryMax = "2G";
        Restart = "always";
        RestartSec = 2;
        # Students' servers are containers and keep running; the hub's own processes (the culler) end.
        TimeoutStopSec = 30;
      };
      # Retry every few seconds without a limit; each failure is in the log.
      startLimitIntervalSec = 0;
    };
  };

  options.services.classroom.credentials = lib.mkOption {
    internal = true;
    readOnly = true;
    type = lib.types.listOf lib.types.str;
    description = "Secrets from files, in the format of systemd's LoadCredential=.";
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
