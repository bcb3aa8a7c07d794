# Puts the student images into the engine, each only when its tag has changed, and takes away old ones that nobody uses.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
  images = [ cfg.image ] ++ lib.attrValues cfg.images;
  # An image that is named by hand is not ours to load.
  isOwn = lib.any (image: image.reference == cfg.student.image) images;
  wanted = lib.optionals (isOwn || cfg.images != { }) images;
  load = pkgs.writeShellApplication {
    name = "classroom-images";
    runtimeInputs = [
      config.virtualisation.docker.package
      pkgs.coreutils
      pkgs.gnugrep
    ];
    text = ''
      load() {
        docker image inspect "$1" > /dev/null 2>&1 && return
        echo "loading $1"
        "$2" | docker load
      }
      ${lib.concatMapStrings (image: ''
        load ${lib.escapeShellArg image.reference} ${image.package}
      '') wanted}
      # Servers that still run keep the image that they were started from.
      docker image ls --filter label=org.classroom.keep=student --format '{{.Repository}}:{{.Tag}}' |
        { grep -vxF ${
          lib.escapeShellArgs (lib.concatMap (image: [ "-e" image.reference ]) wanted ++ [ "-e" "<none>:<none>" ])
        } || true; } |
        while read -r old; do
          docker image rm "$old" > /dev/null 2>&1 && echo "removed $old" || echo "still in use: $old"
        done
    '';
  };
in
{
  config = lib.mkIf (cfg.enable && wanted != [ ]) {
    systemd.services.classroom-images = {
      description = "Images of the students' servers";
      wantedBy = [ "multi-user.target" ];
      wants = [ "docker.service" ];
      after = [ "docker.service" ];
      serviceConfig = hardening // {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = lib.getExe load;
        # A first image is gigabytes; nobody waits for this unit.
        TimeoutStartSec = "1h";
        DynamicUser = true;
        SupplementaryGroups = [ "docker" ];
        PrivateUsers = false; # the group of the engine's socket
        MemoryDenyWriteExecute = false; # the docker command is Go, the stream is Python
        Restart = "on-failure";
        RestartSec = 10;
      };
      startLimitIntervalSec = 0;
    };
  };
}
