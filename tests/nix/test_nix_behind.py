"""The behaviour tests behind the nginx.conf of NixOS, on a hub with its settings.json."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from behaviour.deployment import read_settings
from nix.evaluation import HERE, REPOSITORY, build, slow
from support.http import answers
from support.waiting import wait_until

ENVIRONMENT = Path(sys.prefix)
ARTEFACTS = f'(import {HERE}/artefacts.nix {{ gixy = "{ENVIRONMENT}/bin/gixy"; environment = "{ENVIRONMENT}"; }})'
ACCOUNTS = ("accounts", "accounts_browser", "accounts_login", "accounts_passwords", "accounts_signup")
SUITE = [f"tests/behaviour/test_{name}.py" for name in ("path", "code", "files", "gpus", "isolation_hub", *ACCOUNTS)]

pytestmark = [slow, pytest.mark.usefixtures("debian")]

# The logs are in the directory of NixOS; the sockets are those of the stack.
_NGINX = """
mount -t tmpfs tmpfs /var/log
mkdir /var/log/nginx
exec nginx -e stderr -c "$1" -g 'user root;'
"""


def server(*words: str) -> str:
    command = os.environ.get("CLASSROOM_SERVER")
    if not command:
        pytest.skip(os.environ.get("CLASSROOM_SKIP") or "CLASSROOM_SERVER is not set: python -m stack run")
    done = subprocess.run([*shlex.split(command), *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def nginx(conf: Path) -> Iterator[None]:
    """Run Nginx with the built file in place of the stack's Nginx."""
    Path("/run/nginx").mkdir(exist_ok=True)
    server("stop", "nginx")
    process = subprocess.Popen(["unshare", "--mount", "bash", "-euc", _NGINX, "nginx", conf])
    try:
        wait_until(
            lambda: answers(f"{os.environ['CLASSROOM_URL']}/hub/login") or process.poll() is not None,
            "Nginx answers",
            30,
        )
        assert process.poll() is None, "Nginx ended"
        yield
    finally:
        process.terminate()
        process.wait(30)
        server("start", "nginx")


def test_the_suite_passes_with_the_files_of_nixos(tmp_path: Path) -> None:
    before = read_settings(server)
    port = int(os.environ["CLASSROOM_URL"].rpartition(":")[2])
    # Paths and image are those of the stack; all other settings are the module's.
    own = {name: before[name] for name in ("paths", "docker")}
    own["proxy"] = {"command": before["proxy"]["command"]}
    own["gpu"] = before.get("gpu", {})
    own["network"] = {"resolvers": before["network"]["resolvers"]}
    own["student"] = {**before.get("student", {}), "image": "classroom-student:latest"}
    (tmp_path / "own.json").write_text(json.dumps(own))
    proxy, address = before["proxy"], before["site"]["externalUrl"]
    artefacts = build(
        f'{ARTEFACTS}.artefacts [ {{ services.classroom = {{ enable = true; admins = [ "teacher" ]; '
        f'site = {{ title = "On NixOS"; externalUrl = "{address}"; }}; nginx.port = {port}; '
        f'hub.listen = "{before["hub"]["listen"]}"; '
        f'proxy.listen = "{proxy["listen"]}"; proxy.api = "{proxy["api"]}"; '
        f"settings = builtins.fromJSON (builtins.readFile {tmp_path}/own.json); }}; }} ]"
    )
    built = json.loads((artefacts / "settings.json").read_text())
    try:
        server("reload", json.dumps(built))
        with nginx(artefacts / "nginx.conf"):
            assert "On NixOS" in httpx.get(os.environ["CLASSROOM_URL"] + "/hub/login").text
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-c", "python/pyproject.toml", "--rootdir=.", "-q", *SUITE],
                check=False, capture_output=True, text=True, cwd=REPOSITORY,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-6000:]
            print(done.stdout.strip().splitlines()[-1])  # noqa: T201 - shown with -rP
    finally:
        server("reload", json.dumps({name: before.get(name) for name in built}))
