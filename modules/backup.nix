# Accounts and homes into a restic repository. The database is copied by SQLite itself: a file that is being written is
# no backup. Homes are read where they are: folders, or Docker's volumes.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  homes =
    if cfg.storage.kind == "directory" then
      toString cfg.storage.path
    else
      "${config.virtualisation.docker.daemon.settings.data-root or "/var/lib/docker"}/volumes";
  copy = "/run/restic-backups-classroom/jupyterhub.sqlite";
in
{
  config = lib.mkIf (cfg.enable && cfg.backup.repository != null) {
    services.restic.backups.classroom = {
      inherit (cfg.backup) environmentFile repository;
      passwordFile = toString cfg.backup.passwordFile;
      initialize = true;
      backupPrepareCommand = ''
        ${lib.getExe pkgs.sqlite} /var/lib/classroom/jupyterhub.sqlite ".backup '${copy}'"
      '';
      paths = [
        "/var/lib/classroom"
        copy
      ];
      exclude = [ "/var/lib/classroom/jupyterhub.sqlite*" ];
      dynamicFilesFrom = lib.mkIf cfg.backup.homes ''
        ${lib.getExe pkgs.findutils} ${homes} -mindepth 1 -maxdepth 1 -name '${cfg.docker.prefix}-home-*'
      '';
      pruneOpts = cfg.backup.keep;
      timerConfig = {
        OnCalendar = cfg.backup.schedule;
        Persistent = true;
        RandomizedDelaySec = "15m";
      };
    };
    systemd.services.restic-backups-classroom = {
      wants = [ "docker.service" ];
      after = [ "docker.service" ];
    };
  };
}
