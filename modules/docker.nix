# The engine. Students' containers outlive its restart, a switch does not restart it, and pruning leaves the class alone.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
in
{
  config = lib.mkIf cfg.enable {
    virtualisation.docker = {
      enable = true;
      daemon.settings = {
        # NixOS leaves it off since 24.11; without it a restart of the engine ends every student's work.
        live-restore = lib.mkDefault true;
        features.cdi = lib.mkDefault true;
        userland-proxy = lib.mkDefault false;
        # Nobody but the spawner's containers runs here; they bring their own bounds.
        log-driver = lib.mkDefault "journald";
      };
      autoPrune.flags = lib.mkDefault [ "--filter=label!=org.classroom.keep" ];
    };

    # A changed daemon.json waits for the next restart by hand (or a reload, for what dockerd can reload): never in the
    # middle of a lecture because of a switch.
    systemd.services.docker.restartIfChanged = lib.mkDefault false;
  };
}
