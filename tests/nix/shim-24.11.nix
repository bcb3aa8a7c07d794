# Options of NixOS 26.05 that 24.11 does not have, for the tests of virtual machines.
{ config, lib, ... }:
{
  options.hardware.nvidia-container-toolkit.suppressNvidiaDriverAssertion = lib.mkOption {
    type = lib.types.bool;
    default = false;
  };
  # 24.11 has no such switch for its own assertion.
  config.assertions = lib.mkIf config.hardware.nvidia-container-toolkit.suppressNvidiaDriverAssertion (
    lib.mkForce [ ]
  );
}
