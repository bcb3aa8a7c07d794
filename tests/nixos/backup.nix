# A backup holds the accounts as the database had them and the students' homes, and comes back.
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
    begin_work(machine)
    end_work(machine)
    home = machine.succeed("docker volume inspect --format {{.Mountpoint}} classroom-home-ada").strip()
    machine.succeed(f"echo mine > {home}/notes.txt")
    machine.succeed("systemctl start restic-backups-classroom")
    machine.succeed("restic-classroom restore latest --target /restored")
    machine.succeed(f"grep mine /restored{home}/notes.txt")
    database = "/restored/run/restic-backups-classroom/jupyterhub.sqlite"
    names = machine.succeed(f"sqlite3 {database} 'select name from users'").split()
    assert {"teacher", "ada"} <= set(names)
    machine.succeed("test -s /restored/var/lib/classroom/secrets/crypt-key")
    machine.fail("test -e /restored/var/lib/classroom/jupyterhub.sqlite")
  '';
}
