# What 26.05 has and 24.11 lacks, so far as the tests of virtual machines set it.
{ lib, ... }:
{
  options.hardware.nvidia-container-toolkit.suppressNvidiaDriverAssertion = lib.mkOption {
    type = lib.types.bool;
    default = false;
  };
}
