# Student images: the unit loads each image whose tag has changed into the engine, and removes old unused images.
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
  # An image that the operator names is loaded by the operator.
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
      # Running servers keep the image that they were started from.
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
        # An image has gigabytes, and no other unit waits for this one.
        TimeoutStartSec = "1h";
        DynamicUser = true;
        SupplementaryGroups = [ "docker" ];
        PrivateUsers = false; # the group of the engine's socket
        MemoryDenyWriteExecute = false; # Python writes the stream
        Restart = "on-failure";
        RestartSec = 10;
      };
      startLimitIntervalSec = 0;
    };

    # A command that cleans up may remove an image while no server runs. The hub then writes this file, without content:
    # it cannot say which image is loaded.
    systemd.paths.classroom-images-again = {
      description = "Request for the images of the students' servers";
      wantedBy = [ "paths.target" ];
      pathConfig.PathChanged = "/var/lib/classroom/images-missing";
    };
    systemd.services.classroom-images-again = {
      description = "Images of the students' servers, again";
      after = [ "docker.service" ];
      serviceConfig = removeAttrs config.systemd.services.classroom-images.serviceConfig [
        "RemainAfterExit"
        "Restart"
        "RestartSec"
      ];
    };
  };
}
