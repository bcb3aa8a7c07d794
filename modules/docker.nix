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

    systemd.services.docker = {
      # A changed daemon.json takes effect at the next manual restart or reload. A switch must not restart Docker during a
      # lecture.
      restartIfChanged = lib.mkDefault false;
      # Docker's own unit gives up after three tries in a minute, and a class has no operator at a boot.
      startLimitIntervalSec = lib.mkDefault 0;
    };
  };
}
