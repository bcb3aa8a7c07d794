# Nginx answers with a self-signed certificate before the first one arrives, and redirects http to https.
{
  name = "classroom-acme";
  nodes.machine =
    { lib, ... }:
    {
      imports = [ ./common/class.nix ];
      services.classroom = {
        domain = "hub.example.test";
        tls.acme.enable = true;
        tls.acme.email = "teacher@example.test";
      };
      networking.hosts."127.0.0.1" = [ "hub.example.test" ];
      # No server answers: the test has no network.
      security.acme.defaults.server = "https://127.0.0.1:1/directory";
    };
  testScript = ''
    machine.wait_for_unit("nginx")
    machine.wait_for_unit("classroom-hub")
    machine.wait_until_succeeds("curl -fsk https://hub.example.test/hub/login", timeout=120)
    answer = machine.succeed("curl -si http://hub.example.test/hub/login")
    assert "301" in answer.splitlines()[0]
    assert "https://hub.example.test/hub/login" in answer
  '';
}
