# Root file system and boot loader, which every machine must define and the hosts of tests/hosts do not.
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
