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
  # These only stay when unused images are removed.
  named = lib.filter (image: image != null && !cfg.images ? ${image}) (
    [ cfg.student.image ] ++ lib.catAttrs "image" (lib.attrValues cfg.groups)
  );
  sources = pkgs.writeText "classroom-images.json" (
    builtins.toJSON (
      map (image: {
        inherit (image) reference;
        stream = image.package;
        conf = image.package.conf or null; # for the size of the image
      }) wanted
      ++ map (reference: {
        inherit reference;
        stream = null;
      }) (lib.subtractLists (lib.catAttrs "reference" wanted) (lib.unique named))
    )
  );
in
{
  config = lib.mkIf (cfg.enable && wanted != [ ]) {
    systemd.services.classroom-images = {
      description = "Images of the students' servers";
      wantedBy = [ "multi-user.target" ];
      wants = [ "docker.service" ];
      after = [ "docker.service" ];
      restartTriggers = cfg.settingsParts.images;
      serviceConfig = hardening // {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${lib.getExe cfg.package} images load --settings /etc/classroom/settings.json ${sources}";
        # An image has gigabytes, and no other unit waits for this one.
        TimeoutStartSec = "1h";
        DynamicUser = true;
        # One user for both units: one writes the progress, and the other one waits.
        User = "classroom-images";
        SupplementaryGroups = [ "docker" ];
        PrivateUsers = false; # the group of the engine's socket
        MemoryDenyWriteExecute = false; # as for the hub
        # The hub shows the progress, which a lock marks as current. With RuntimeDirectoryPreserve systemd would make the
        # directory in /run/private, where the hub's user reads nothing.
        RuntimeDirectory = "classroom-images";
        Restart = "on-failure";
        RestartSec = 10;
      };
      startLimitIntervalSec = 0;
    };

    services.classroom.again = [ "images" ];
  };
}
