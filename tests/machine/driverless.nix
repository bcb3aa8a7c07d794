# A host with GPUs, on a machine without a card: NVIDIA's driver is left out, and in the place of its toolkit a program
# says that it found none. All other units are there.
{ lib, pkgs, ... }:
{
  imports = [ ./certified.nix ] ++ lib.optional (lib.versionOlder lib.trivial.release "25.05") ../nix/shim-24.11.nix;
  nixpkgs.config = lib.mkForce { };
  services.classroom.gpu.driver = lib.mkForce false;
  hardware.nvidia-container-toolkit = {
    enable = true;
    suppressNvidiaDriverAssertion = true;
  };
  systemd.services.nvidia-container-toolkit-cdi-generator.serviceConfig.ExecStart =
    lib.mkForce "${pkgs.writeShellScript "no-driver" "echo 'no driver' >&2; exit 1"}";
}
