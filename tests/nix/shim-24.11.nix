# What 26.05 has and 24.11 lacks, so far as the tests of virtual machines set it.
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
