# The hub migrates the database of a stock JupyterHub 5 when it starts, and keeps accounts and passwords. A rollback
# restores the earlier copy, which is then migrated again.
{
  name = "classroom-upgrade";
  nodes.machine = {
    imports = [ ./common/class.nix ];
    # The database of a real hub; stock.json next to it lists its accounts.
    environment.etc."stock.sql".source = ../../python/tests/db/stock.sql;
  };
  testScript = ''
    import json

    ${builtins.readFile ./common/lib.py}
    database = "/var/lib/classroom/jupyterhub.sqlite"


    def upgrade(words: str) -> dict:
        return json.loads(machine.succeed(f"classroom upgrade {words} --json"))


    def signs_in(name: str, password: str) -> bool:
        said = machine.succeed(
            f"""
            set -e
            jar=$(mktemp)
            curl -fs -c $jar -o /dev/null $CLASSROOM_URL/hub/login
            curl -s -b $jar -c $jar -o /dev/null -w '%{{redirect_url}}' --data-urlencode 'username={name}' \
              --data-urlencode 'password={password}' --data-urlencode "_xsrf=$(awk '$6 == "_xsrf" {{print $7}}' $jar)" \
              "$CLASSROOM_URL/hub/login?next=/hub/home"
            """
        )
        return said.strip().endswith("/hub/home")


    ready(machine)
    machine.succeed("systemctl stop classroom-hub", f"rm {database}*")
    machine.succeed(f"sqlite3 {database} < /etc/stock.sql", f"chown classroom:classroom {database}")
    assert upgrade("status")["mustMigrate"]

    machine.succeed("systemctl start classroom-hub")
    ready(machine)
    assert signs_in("ada", "correct horse battery")
    assert signs_in("grace", "seventy-two-bytes-are-all-that-bcrypt-takes-and-this-is-exactly-as-long-")
    assert not signs_in("eve", "waits for approval")
    assert not signs_in("ada", "another")
    status = upgrade("status")
    assert status["fits"] and not status["mustMigrate"]
    assert [copy["reason"] for copy in status["copies"]] == ["upgrade"]

    with subtest("the way back"):
        machine.fail("classroom upgrade rollback --yes")
        machine.succeed("systemctl stop classroom-hub")
        assert upgrade("rollback --yes")["database"]["classroom"] is None
        assert machine.succeed(f"stat -c %U {database}").strip() == "classroom"
        machine.succeed("systemctl start classroom-hub")
        ready(machine)
        assert signs_in("ada", "correct horse battery")
  '';
}
