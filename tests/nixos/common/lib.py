# ruff: noqa: F821 - Machine is a name of the test driver, into whose scripts this is read.
def ready(machine: Machine) -> None:
    """Wait until hub, image, bridge and Nginx are ready."""
    for unit in ("engine", "network", "images", "proxy", "hub"):
        machine.wait_for_unit(f"classroom-{unit}")
    machine.wait_for_unit("nginx")
    machine.wait_until_succeeds("curl -fs http://127.0.0.1/hub/login", timeout=120)


def suite(machine: Machine, tests: str) -> str:
    """Run tests of tests/behaviour on the machine itself."""
    password = "$(cat /var/lib/classroom/secrets/first-password-teacher 2>/dev/null || cat /root/password)"
    machine.succeed(f"echo {password} > /root/password")
    return machine.succeed(
        "cd $PYTHONPATH/behaviour && "
        f"CLASSROOM_ADMIN_PASSWORD=$(cat /root/password) pytest -p no:cacheprovider -ra {tests} >&2",
        timeout=1800,
    )


def begin_work(machine: Machine) -> None:
    """Start a kernel that remembers a number; a program holds it until `end_work`."""
    machine.succeed("echo $(cat /var/lib/classroom/secrets/first-password-teacher) > /root/password")
    machine.succeed(
        "systemd-run --unit=work --setenv=PYTHONPATH=$PYTHONPATH --setenv=CLASSROOM_URL=$CLASSROOM_URL "
        "--setenv=PATH=$PATH python3 $PYTHONPATH/nixos/common/work.py $(cat /root/password)"
    )
    machine.wait_for_file("/run/work/begun", timeout=300)


def end_work(machine: Machine) -> None:
    """Check that the kernel answers with the remembered number."""
    machine.succeed("touch /run/work/go")
    machine.wait_for_file("/run/work/done", timeout=180)
    assert machine.succeed("cat /run/work/done").strip() == "42"
