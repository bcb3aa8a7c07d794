# The Internet of outside.py in the place of the real one: its name server, and its ACME server in the place of Let's
# Encrypt, whose own certificate is of another authority.
{ lib, pkgs, ... }:
{
  networking.resolvconf.enable = false;
  environment.etc."resolv.conf".text = "nameserver 192.0.2.1\n";
  security.acme.defaults.server = "https://acme.example.org/dir";
  systemd.services."acme-hub.example.org" = {
    environment.LEGO_CA_CERTIFICATES = "/opt/acme-authority.pem";
    serviceConfig = {
      # A quarter of an hour. The boot is complete at a moment without a try.
      RestartSec = lib.mkForce 20;
      # Nginx's unit is active some milliseconds before it listens. Let's Encrypt asks after seconds, Pebble at once.
      ExecStartPre = "${pkgs.bash}/bin/bash -c 'until : < /dev/tcp/127.0.0.1/443; do sleep 0.1; done 2>/dev/null'";
    };
  };
}
