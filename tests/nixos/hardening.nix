# Only Nginx listens publicly, only their owner can read secrets, and the units have few rights.
{
  name = "classroom-hardening";
  nodes = {
    machine = ./common/class.nix;
    stranger = { };
  };
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    stranger.wait_for_unit("multi-user.target")
    stranger.succeed("curl -fs http://machine/hub/login")
    for port in (8081, 8082, 8083, 2375):
        stranger.fail(f"curl -s --connect-timeout 3 http://machine:{port}/")
    stranger.fail("curl -fs http://machine/hub/metrics")

    with subtest("secrets are the hub's alone"):
        assert machine.succeed("stat -c '%U %a' /var/lib/classroom").split() == ["classroom", "700"]
        assert machine.succeed("stat -c %a /var/lib/classroom/secrets/*").split() == ["600"] * int(
            machine.succeed("ls /var/lib/classroom/secrets | wc -l")
        )
        for secret in machine.succeed("cat /var/lib/classroom/secrets/{cookie-secret,proxy-token}").split():
            machine.fail(f"grep -r {secret} /etc/classroom /proc/*/cmdline")

    with subtest("sockets are for Nginx and the hub"):
        if machine.execute("test -e /run/classroom/proxy.sock")[0] == 0:
            machine.succeed("sudo -u nginx test -w /run/classroom/proxy.sock")
        machine.fail("sudo -u nobody ls /run/classroom")

    with subtest("the hub's user reaches the engine through the filter only"):
        ask = "curl -fs --unix-socket /run/{} http://engine/{}".format
        machine.fail("sudo -u classroom " + ask("docker.sock", "_ping"))
        machine.succeed("sudo -u classroom " + ask("classroom-engine.sock", "_ping"))
        machine.fail("sudo -u classroom " + ask("classroom-engine.sock", "v1.44/info"))
        machine.fail("sudo -u nginx " + ask("classroom-engine.sock", "_ping"))

    for unit, bound in (("hub", 20), ("proxy", 15), ("engine", 15), ("images", 20), ("network", 25)):
        machine.succeed(f"systemd-analyze security --threshold={bound} classroom-{unit}")
  '';
}
