# The command that an operator runs, by the clock: `classroom backup create`. Where to, and what is kept, it reads from
# the settings; the same settings serve `classroom backup list` and `restore` at the terminal.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
  local = lib.optional (lib.hasPrefix "/" cfg.backup.repository) cfg.backup.repository;
in
{
  config = lib.mkIf (cfg.enable && cfg.backup.repository != null) {
    systemd.services.classroom-backup = {
      description = "Backup of the class";
      # The engine knows where homes are, unless they are folders; the hub need not run.
      wants = [
        "docker.service"
        "network-online.target"
      ];
      after = [
        "docker.service"
        "network-online.target"
      ];
      # A disk that is not mounted is not an empty one.
      unitConfig.RequiresMountsFor = local ++ lib.optional (cfg.storage.path != null) cfg.storage.path;
      path = [
        pkgs.openssh # repositories of the kind sftp:
        pkgs.restic
      ];
      environment.RESTIC_CACHE_DIR = "/var/cache/classroom-backup";
      serviceConfig = hardening // {
        Type = "oneshot";
        ExecStart = "${lib.getExe cfg.package} backup create --prune --settings /etc/classroom/settings.json";
        LoadCredential = cfg.credentials ++ [ "backup-password:${cfg.backup.passwordFile}" ];
        CacheDirectory = "classroom-backup";
        CacheDirectoryMode = "0700";
        # Homes and secrets are read whatever their modes; what is written in the state directory is the hub's.
        CapabilityBoundingSet = [
          "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER"
        ];
        PrivateUsers = false; # owners and capabilities are those of the machine
        PrivateMounts = true;
        ProtectSystem = "full"; # the repository may be any folder, and is made when it is not there
        ProtectHome = "read-only"; # SSH keys for a repository elsewhere are root's
        MemoryDenyWriteExecute = false; # as the hub
        SystemCallFilter = [
          "@system-service"
          "~@privileged @resources"
          "@chown"
        ];
        # Students who work at night come first.
        Nice = 10;
        IOSchedulingClass = "idle";
      };
    };

    systemd.timers.classroom-backup = {
      description = "Backup of the class";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = cfg.backup.schedule;
        Persistent = true;
        RandomizedDelaySec = "15m";
      };
    };
  };
}
