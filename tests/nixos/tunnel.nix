# Behind a tunnel Nginx listens on loopback only, and trusts the tunnel's header for the browser's address.
{
  name = "classroom-tunnel";
  nodes = {
    machine =
      { pkgs, ... }:
      {
        imports = [ ./common/class.nix ];
        services.classroom = {
          domain = "hub.example.test";
          tunnel = {
            enable = true;
            id = "00000000-0000-4000-8000-000000000000";
            credentialsFile = "/etc/tunnel.json";
          };
        };
        environment.etc."tunnel.json".text = "{}";
      };
    stranger = { };
  };
  testScript = ''
    machine.wait_for_unit("nginx")
    machine.wait_for_unit("classroom-hub")
    asked = "curl -fs -H 'Host: hub.example.test' -H 'CF-Connecting-IP: 198.51.100.7' -H 'X-Forwarded-Proto: https'"
    machine.wait_until_succeeds(f"{asked} http://127.0.0.1/hub/login", timeout=120)
    machine.wait_until_succeeds("grep -q '^198.51.100.7 ' /var/log/nginx/access.log")
    stranger.wait_for_unit("multi-user.target")
    stranger.fail("curl -s --connect-timeout 3 http://machine/")
  '';
}
