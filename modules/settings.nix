# From options to settings.json. `classroom check` reads it while the system is built: a mistake fails there, not at boot.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  format = pkgs.formats.json { };
  rendered = {
    inherit (cfg)
      accounts
      admins
      culling
      groups
      hub
      network
      site
      student
      ;
    backup = {
      inherit (cfg.backup)
        environmentFile
        homes
        keep
        passwordFile
        repository
        ;
    };
    images = lib.mapAttrs (_: image: image.reference) cfg.images;
    gpu = {
      inherit (cfg.gpu)
        cdiDirs
        devices
        idle
        longestLease
        longestWait
        notice
        offer
        perStudent
        policy
        preferLeastUsed
        studentsPerDevice
        ;
      mps = {
        inherit (cfg.gpu.mps) enable memory;
        folder = "/run/classroom-mps";
      };
      samples = "/run/classroom-gpus/sample.json";
    };
    storage = {
      inherit (cfg.storage)
        files
        kind
        path
        quota
        ;
      helper = "/run/classroom-homes.sock";
    };
    paths = {
      state = "/var/lib/classroom";
      runtime = "/run/classroom";
    };
    proxy = {
      inherit (cfg.proxy) listen api;
      command = [ (lib.getExe cfg.proxy.package) ];
    };
    spawner = "docker";
    docker = {
      inherit (cfg.docker) prefix;
      host = "unix:///run/docker.sock";
    };
  };
  unchecked = format.generate "settings.json" (lib.recursiveUpdate rendered cfg.settings);
in
{
  config = lib.mkIf cfg.enable {
    services.classroom.settingsFile =
      pkgs.runCommand "classroom-settings.json" { nativeBuildInputs = [ cfg.package ]; }
        ''
          if ! classroom check ${unchecked} > answer 2>&1; then
            echo 'services.classroom is not right yet:' >&2
            cat answer >&2
            exit 1
          fi
          cp ${unchecked} $out
        '';

    # Where the `classroom` command of an operator finds it.
    environment.etc."classroom/settings.json".source = cfg.settingsFile;
    environment.systemPackages = [
      cfg.package
      pkgs.restic # which `classroom backup` runs
    ];
  };
}
