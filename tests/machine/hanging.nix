# A host with GPUs whose driver hangs: NVIDIA's generator does not end, until the driver works.
{ lib, pkgs, ... }:
{
  imports = [ ./driverless.nix ];
  services.classroom.gpu.devices = lib.mkForce [ "0" ];
  systemd.services.nvidia-container-toolkit-cdi-generator.serviceConfig.ExecStart = lib.mkOverride 40 "${pkgs.writeShellScript "hangs" ''
    [ -e /var/lib/driver-works ] || exec /usr/bin/sleep infinity
    echo '{"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [
      {"name": "0", "containerEdits": {"env": ["SIMULATED_GPU=0"]}}]}' > /run/cdi/nvidia.json
  ''}";
}
