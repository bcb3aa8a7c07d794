# As driverless.nix, but the toolkit finds no card and no fault: a switch to this host returns 0.
{ lib, pkgs, ... }:
{
  imports = [ ./driverless.nix ];
  systemd.services.nvidia-container-toolkit-cdi-generator.serviceConfig.ExecStart =
    lib.mkOverride 10 "${pkgs.writeShellScript "no-card" "echo 'no card'"}";
}
