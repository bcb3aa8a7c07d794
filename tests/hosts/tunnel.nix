# Behind a firewall without an open port: Cloudflare Tunnel in front.
{
  services.classroom = {
    enable = true;
    domain = "hub.example.org";
    admins = [ "teacher" ];
    tunnel = {
      enable = true;
      id = "00000000-0000-4000-8000-000000000000";
      credentialsFile = "/run/secrets/cloudflared.json";
    };
  };
}
