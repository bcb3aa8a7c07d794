# What evaluation wants of any machine, and no host of tests/hosts says: a root file system, no boot loader.
{ lib, ... }:
{
  boot.loader.grub.enable = false;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  networking.hostName = lib.mkDefault "classroom";
  system.stateVersion = lib.mkDefault "24.11";
}
