# All units of the class on one host: GPUs, allowed domains, and a repository of backups on this machine.
{ lib, ... }:
{
  imports = [
    ./everything.nix
    ./driverless.nix
  ];
  services.classroom = {
    gpu.policy = lib.mkForce "shared";
    network.domains = [ "example.org" ];
    backup.repository = lib.mkForce "/var/backup/class";
  };
}
