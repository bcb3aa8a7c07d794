# Units that run once more while the class runs. A command that cleans up may remove the bridge or an image while no server
# runs, and the hub may make neither. It then writes the file NAME-missing, without content: the hub cannot say what to make.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  perUnit = make: lib.listToAttrs (map (name: lib.nameValuePair "classroom-${name}-again" (make name)) cfg.again);
  unitOf = name: config.systemd.services."classroom-${name}";
in
{
  options.services.classroom.again = lib.mkOption {
    internal = true;
    type = lib.types.listOf lib.types.str;
    default = [ ];
    description = "Units that the hub asks for again, by name without classroom-.";
  };

  config = lib.mkIf cfg.enable {
    systemd.paths = perUnit (name: {
      description = "Request of the hub: ${(unitOf name).description}";
      wantedBy = [ "paths.target" ];
      pathConfig.PathChanged = "/var/lib/classroom/${name}-missing";
    });

    # A unit of its own: that of the boot stays active, and would not start a second time.
    systemd.services = perUnit (name: {
      description = "${(unitOf name).description}, again";
      after = [ "docker.service" ];
      path = lib.mkForce (unitOf name).path; # has the default programs
      serviceConfig = removeAttrs (unitOf name).serviceConfig [
        "ExecReload"
        "RemainAfterExit"
        "Restart"
        "RestartSec"
      ];
    });
  };
}
