# Timer of `classroom backup create`. The command reads the repository and the number of backups to keep from the
# settings, as `classroom backup list` and `classroom backup restore` do.
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
      # Volumes of homes are found through the engine. The hub does not have to run.
      wants = [
        "docker.service"
        "network-online.target"
      ];
      after = [
        "docker.service"
        "network-online.target"
      ];
      # Otherwise an unmounted disk would look like an empty one.
      unitConfig.RequiresMountsFor = local ++ lib.optional (cfg.storage.path != null) cfg.storage.path;
      path = [
        pkgs.openssh # for sftp: repositories
        pkgs.restic
      ];
      environment.RESTIC_CACHE_DIR = "/var/cache/classroom-backup";
      serviceConfig = hardening // {
        Type = "oneshot";
        ExecStart = "${lib.getExe cfg.package} backup create --prune --settings /etc/classroom/settings.json";
        LoadCredential = cfg.credentials ++ [ "backup-password:${cfg.backup.passwordFile}" ];
        CacheDirectory = "classroom-backup";
        CacheDirectoryMode = "0700";
        # Root without these cannot read homes and secrets of other users, or write files that belong to the hub.
        # SYS_ADMIN closes the homes to links in a mount namespace of restic's; restic itself runs without it.
        CapabilityBoundingSet = [
          "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_SYS_ADMIN"
        ];
        RestrictNamespaces = "mnt";
        PrivateUsers = false; # needs the owners and capabilities of the machine
        PrivateMounts = true;
        ProtectSystem = "full"; # the repository may be any directory, and is created if necessary
        ProtectHome = "read-only"; # root's SSH keys for remote repositories
        MemoryDenyWriteExecute = false; # as for the hub
        SystemCallFilter = [
          "@system-service"
          "~@privileged @resources"
          "@chown capset mount"
        ];
        # Students' work has priority.
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
