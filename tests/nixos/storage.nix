# Homes as directories: a root helper creates them for the hub, and the kernel limits each.
{
  name = "classroom-storage";
  nodes.machine = {
    imports = [ ./common/class.nix ];
    services.classroom.storage = {
      kind = "directory";
      path = "/srv/homes";
      quota = "64M";
    };
    virtualisation = {
      emptyDiskImages = [ 1024 ];
      fileSystems."/srv" = {
        device = "/dev/vdb";
        fsType = "xfs";
        autoFormat = true;
        options = [ "prjquota" ];
      };
    };
  };
  testScript = ''
    import json

    ${builtins.readFile ./common/lib.py}
    ready(machine)
    assert machine.succeed("stat -c '%U %a' /run/classroom-homes.sock").split() == ["classroom", "600"]
    begin_work(machine)
    home = "/srv/homes/classroom-home-ada"
    assert machine.succeed(f"stat -c %u:%g {home}").strip() == "1000:100"

    with subtest("a home has a limit and its student continues to work"):
        container = machine.succeed("docker ps --quiet --filter label=org.classroom.user=ada").strip()
        machine.fail(f"docker exec {container} dd if=/dev/zero of=/home/jovyan/large bs=1M count=100")
        machine.succeed(f"docker exec {container} rm /home/jovyan/large")
        (found,) = json.loads(machine.succeed("classroom storage --json"))["homes"]
        assert (found["student"], found["quota"]) == ("ada", 64 * 1024 * 1024), found
    end_work(machine)

    with subtest("nobody else looks into it"):
        machine.fail(f"sudo -u nobody ls {home}")
  '';
}
