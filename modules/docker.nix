# Docker Engine. Containers survive its restart, a switch does not restart it, and pruning keeps the class's objects.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
in
{
  config = lib.mkIf cfg.enable {
    virtualisation.docker = {
      enable = true;
      daemon.settings = {
        # Off by default since NixOS 24.11. Without it a restart of the engine ends every student's work.
        live-restore = lib.mkDefault true;
        features.cdi = lib.mkDefault true;
        userland-proxy = lib.mkDefault false;
      };
      autoPrune.flags = lib.mkDefault [ "--filter=label!=org.classroom.keep" ];
    };

    # A changed daemon.json takes effect at the next manual restart or reload. A switch must not restart Docker during a
    # lecture.
    systemd.services.docker.restartIfChanged = lib.mkDefault false;
  };
}
