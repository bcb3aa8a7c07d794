"""images/compose/compose.yaml: a class on a real engine with the images of hub.nix and hub/Dockerfile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from behaviour.people import PASSWORD, Visitor
from behaviour.servers import enrol
from images.student.docker import Docker
from nix import hub_dockerfile
from nix.evaluation import REPOSITORY, slow
from nix.image_build import configuration, stream
from support.http import answers
from support.waiting import wait_until

pytestmark = [slow, pytest.mark.usefixtures("debian"), pytest.mark.timeout(900)]

Verb = Callable[..., str]
Compose = Callable[..., str]
PARTS = ("hub", "nginx", "proxy")


@pytest.fixture(scope="module")
def docker_compose() -> list[str]:
    """Return the command of Debian 13's docker compose, in a root file system of its own."""
    root = REPOSITORY / ".cache/compose"
    if not root.exists():
        pytest.skip(f"there is no {root}: make .cache/compose")
    loader, libraries = root / "usr/lib64/ld-linux-x86-64.so.2", root / "usr/lib/x86_64-linux-gnu"
    program = root / "usr/libexec/docker/cli-plugins/docker-compose"
    return [str(loader), "--library-path", str(libraries), str(program)]


@pytest.fixture(scope="module", params=["Nix", "Dockerfile"])
def hub_image(request: pytest.FixtureRequest, server: Verb, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the name of the hub's image in the engine."""
    if request.param == "Dockerfile":
        return hub_dockerfile.build(Docker(f"{os.environ['CLASSROOM_SERVER']} docker"))
    archive = tmp_path_factory.mktemp("hub") / "hubImage.tar"
    stream(f"{request.getfixturevalue('images')}.hubImage", archive)
    server("docker", "load", stdin=archive)
    return configuration(archive)[0]


@pytest.fixture(scope="module")
def compose(docker_compose: list[str], hub_image: str, server: Verb) -> Iterator[Compose]:
    """Run `docker compose` in a copy of images/compose, in place of the stack's hub, proxy and Nginx."""
    settings = Path(server("settings").strip())
    before = json.loads(settings.read_text())
    folder = settings.parent / "compose"  # the engine sees it too
    shutil.copytree(REPOSITORY / "images/compose", folder)
    ours = json.loads((folder / "settings.json").read_text())
    (folder / "homes").mkdir(mode=0o711)
    ours |= {
        "network": before["network"],
        "docker": ours["docker"] | {"prefix": "compose"},
        "gpu": {"policy": "devices", "devices": ["1"]},
        "storage": {"kind": "directory", "path": f"{folder}/homes", "helper": "/run/classroom/homes.sock"},
    }
    ours["site"]["externalUrl"] = before["site"]["externalUrl"]
    (folder / "settings.json").write_text(json.dumps(ours))
    socket = Path(before["docker"]["host"].removeprefix("unix://"))
    environment = os.environ | {
        "DOCKER_HOST": before["docker"]["host"],
        "DOCKER_SOCKET": str(socket),
        "CLASSROOM_HUB_IMAGE": hub_image,
        "CLASSROOM_LISTEN": "0.0.0.0:8000",
        "CLASSROOM_HOMES": f"{folder}/homes",
        "CLASSROOM_BACKUPS": f"{folder}/backups",
        "DOCKER_VOLUMES": server("docker", "info", "--format={{.DockerRootDir}}").strip() + "/volumes",
        "COMPOSE_PROFILES": "homes",
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            [*docker_compose, *words], check=False, capture_output=True, text=True, cwd=folder, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for part in PARTS:
        server("stop", part)
    try:
        run("config", "--quiet")
        run("up", "--detach")
        yield run
    finally:
        subprocess.run([*docker_compose, "logs", "--tail=40"], check=False, cwd=folder, env=environment)
        run("down", "--volumes", "--timeout=5")
        for name in server("docker", "ps", "--all", "--quiet", "--filter=name=^compose-").split():
            server("docker", "rm", "--force", name)
        shutil.rmtree(folder)
        for part in reversed(PARTS):
            server("start", part)


def test_a_class_of_containers_outlives_a_restart_of_all_its_parts(compose: Compose, server: Verb) -> None:
    url = os.environ["CLASSROOM_URL"]

    wait_until(lambda: answers(f"{url}/hub/login"), "the class answers", 120)
    password = compose("exec", "-T", "hub", "cat", "/var/lib/classroom/secrets/first-password-teacher").strip()
    admin = Visitor(url)
    answer = admin.sign_in("teacher", password)
    admin.post(str(answer.url), {"new_password": PASSWORD, "new_password_confirmation": PASSWORD})
    mine = enrol(url, admin, "ada")
    mine.start()
    with mine.kernel() as kernel:
        # GPUs and homes work as on NixOS.
        assert kernel.run("import os; os.environ.get('FAKE_GPU')") == "'1'"
        kernel.run("x = 41; open('notes.txt', 'w').write('mine')")
        compose("restart", "--timeout=10")
        wait_until(lambda: answers(f"{url}/hub/login"), "the class answers again", 120)
        wait_until(lambda: mine.get("api/status").status_code == 200, "the server answers again", 120)
        kernel.reconnect()
        assert kernel.run("x + 1") == "42"
    mine.stop()
    used = json.loads(compose("exec", "-T", "hub", "classroom", "storage", "--json"))
    assert [home["student"] for home in used["homes"]] == ["ada"]
    assert (Path(server("settings").strip()).parent / "compose/homes/compose-home-ada/notes.txt").read_text() == "mine"


def test_the_doctor_checks_the_machine_and_prints_commands_that_exist(compose: Compose) -> None:
    odd = {"clock", "disk", "homes", "kernel's limits"}  # the machine of the tests

    def look(*words: str) -> dict[str, dict[str, Any]]:
        return {finding["about"]: finding for finding in json.loads(compose(*words, "--json"))["findings"]}

    found = look("run", "--rm", "doctor")
    assert {about for about, finding in found.items() if finding["state"] != "ok"} <= odd | {"backup"}, found
    assert {"firewall", "GPUs", "engine's settings", "image", "websockets", "database"} <= set(found)
    assert found["backup"]["mend"] == "docker compose run --rm backup create /backups/classroom"
    assert "homes" in found["disk"]["says"]
    assert "has not changed since" in found["engine's settings"]["says"]
    inside = look("exec", "-T", "hub", "classroom", "doctor")
    hidden = {about for about, finding in inside.items() if finding["mend"] == "docker compose run --rm doctor"}
    assert {about for about, finding in inside.items() if finding["state"] != "ok"} <= odd | {"backup"} | hidden, inside
    assert {"firewall", "driver"} <= hidden


def test_a_backup_has_the_work_of_a_student(compose: Compose, server: Verb) -> None:
    notes = Path(server("settings").strip()).parent / "compose/homes/compose-home-ada/notes.txt"
    assert notes.read_text() == "mine", "started by the test above"
    compose("run", "--rm", "backup", "create", "/backups/class")
    notes.unlink()
    compose("run", "--rm", "backup", "restore", "/backups/class", "--student", "ada", "--overwrite")
    assert notes.read_text() == "mine"


def test_no_service_has_more_rights_than_it_needs(compose: Compose, server: Verb) -> None:
    for part in ("hub", "engine", "proxy", "nginx", "network", "homes"):
        name = compose("ps", "--quiet", part).strip()
        host = json.loads(server("docker", "inspect", name))[0]
        assert host["HostConfig"]["ReadonlyRootfs"] is True, part
        assert host["HostConfig"]["CapDrop"] == ["ALL"], part
        sockets = [mount for mount in host["Mounts"] if mount["Destination"] == "/var/run/docker.sock"]
        assert bool(sockets) == (part in {"engine", "network"}), part
