# The unit creates a backup while a student works, and the class is restored from it.
{
  name = "classroom-backup";
  nodes.machine = {
    imports = [ ./common/class.nix ];
    services.classroom.backup = {
      repository = "/var/backup";
      passwordFile = "/etc/restic-password";
    };
    environment.etc."restic-password".text = "of this test";
  };
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    machine.succeed("systemctl is-active classroom-backup.timer")
    begin_work(machine)
    home = machine.succeed("docker volume inspect --format {{.Mountpoint}} classroom-home-ada").strip()
    machine.succeed(f"echo mine > {home}/notes.txt && chown 1000:100 {home}/notes.txt")
    for _ in range(2):
        machine.succeed("systemctl start classroom-backup")
    end_work(machine)
    machine.succeed("test $(classroom backup list --json | jq length) = 1")  # of this day the last is kept
    assert "stop it" in machine.fail("classroom backup restore --overwrite 2>&1")

    machine.succeed("systemctl stop classroom-hub")
    machine.succeed("docker ps -q --filter label=org.classroom.user | xargs -r docker stop")
    machine.succeed(f"rm -r /var/lib/classroom/secrets /var/lib/classroom/jupyterhub.sqlite {home}/notes.txt")
    machine.succeed("classroom backup restore --overwrite")
    machine.succeed(f"grep mine {home}/notes.txt && test $(stat -c %u:%g {home}/notes.txt) = 1000:100")
    machine.succeed("test -s /var/lib/classroom/secrets/crypt-key")
    machine.succeed("systemctl start classroom-hub")
    ready(machine)
    names = machine.succeed("sqlite3 /var/lib/classroom/jupyterhub.sqlite 'select name from users'").split()
    assert {"teacher", "ada"} <= set(names)
  '';
}
