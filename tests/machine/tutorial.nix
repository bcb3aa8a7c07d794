# What the server of the tutorial needs here: its address in /etc/hosts in the place of DNS, no Nix, no SSH.
{ lib, ... }:
{
  networking.hosts."192.0.2.10" = [ "hub.example.org" ];
  nix.settings = lib.mkForce { };
  services.openssh.enable = lib.mkForce false;
  system.activationScripts.homes.text = "mkdir -p /srv/homes";
}
