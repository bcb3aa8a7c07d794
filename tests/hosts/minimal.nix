# The smallest useful host; the README shows it.
{
  services.classroom = {
    enable = true;
    domain = "hub.example.org";
    admins = [ "teacher" ];
    tls.acme.enable = true;
    tls.acme.email = "teacher@example.org";
  };
}
