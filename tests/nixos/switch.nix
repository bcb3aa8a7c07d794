# `nixos-rebuild switch` during a lecture, to another configuration and back, ends no student's work.
{
  name = "classroom-switch";
  nodes.machine =
    { lib, ... }:
    {
      imports = [ ./common/class.nix ];
      specialisation.other.configuration = {
        services.classroom = {
          site.title = lib.mkForce "Another Class";
          student.cpus = 1;
        };
        virtualisation.docker.daemon.settings.max-concurrent-downloads = 1;
      };
    };
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    begin_work(machine)
    docker = machine.succeed("systemctl show --property=MainPID docker")
    here = machine.succeed("readlink -f /run/current-system").strip()
    for system, title in ((f"{here}/specialisation/other", "Another Class"), (here, "Classroom")):
        machine.succeed(f"{system}/bin/switch-to-configuration test")
        machine.wait_until_succeeds(f"curl -fs http://127.0.0.1/hub/login | grep '{title}'", timeout=120)
        assert machine.succeed("systemctl show --property=MainPID docker") == docker
    end_work(machine)
  '';
}
