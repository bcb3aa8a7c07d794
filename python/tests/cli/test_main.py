from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from support.processes import classroom


def run_classroom(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        classroom(*arguments),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | ({"PATH": path} if path is not None else {}),
    )


def settings(tmp_path: Path, **data: object) -> str:
    file = tmp_path / "settings.json"
    paths = {"state": str(tmp_path / "state"), "runtime": str(tmp_path / "run")}
    file.write_text(json.dumps({"paths": paths, **data}))
    return str(file)


def test_check_accepts_a_valid_file(tmp_path: Path) -> None:
    done = run_classroom("check", settings(tmp_path, admins=["teacher"]))
    assert done.returncode == 0
    assert "Instructors: teacher" in done.stdout


def test_check_reports_the_mistake_and_exits_with_1(tmp_path: Path) -> None:
    done = run_classroom("check", settings(tmp_path, admns=["teacher"]))
    assert done.returncode == 1
    assert "admns: no such setting; did you mean admins?" in done.stderr
    assert "Traceback" not in done.stderr


def test_schema_is_json() -> None:
    assert json.loads(run_classroom("schema").stdout)["title"] == "Settings"


@pytest.mark.parametrize("command", [["hub"], ["proxy"], ["network", "up"]], ids=" ".join)
def test_every_command_names_the_file_it_cannot_read(command: list[str], tmp_path: Path) -> None:
    done = run_classroom(*command, "--settings", str(tmp_path / "none.json"))
    assert done.returncode == 1
    assert "none.json: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_reports_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_classroom("hub", "--settings", settings(tmp_path, hub={"listen": f"127.0.0.1:{port}"}))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}: cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_proxy_is_reported(tmp_path: Path) -> None:
    done = run_classroom("proxy", "--settings", settings(tmp_path, proxy={"command": ["no-such-proxy"]}))
    assert done.returncode == 1
    assert "no-such-proxy: not found" in done.stderr


@pytest.mark.attack(77)
def test_the_proxys_token_is_not_on_its_command_line(tmp_path: Path) -> None:
    show = tmp_path / "show"
    show.write_text(f'#!{shutil.which("sh")}\necho "arguments: $@"\necho "token: $CONFIGPROXY_AUTH_TOKEN"\n')
    show.chmod(0o755)
    done = run_classroom("proxy", "--settings", settings(tmp_path, proxy={"command": [str(show)]}))
    token = (tmp_path / "state" / "secrets" / "proxy-token").read_text().strip()
    arguments, given = done.stdout.splitlines()
    assert token not in arguments
    assert given == f"token: {token}"


def test_nginx_prints_a_configuration_for_the_class(tmp_path: Path) -> None:
    directives = Path(__file__).parents[3] / "modules" / "nginx"
    line = ["nginx", f"--directives={directives}", f"--directory={tmp_path}", "--listen=127.0.0.1:8080"]
    done = run_classroom(*line, "--settings", settings(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "listen 127.0.0.1:8080" in done.stdout
    assert f"include {directives}/server.conf" in done.stdout.replace('"', "")


def test_upgrade_prints_versions_and_refuses_while_the_hub_runs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        file = settings(tmp_path, hub={"listen": f"127.0.0.1:{hub.getsockname()[1]}"})
        status = json.loads(run_classroom("upgrade", "status", "--json", "--settings", file).stdout)
        refused = run_classroom("upgrade", "rollback", "--yes", "--settings", file)
    assert status["installed"].keys() == {"classroom", "jupyterhub", "nativeauthenticator"}
    assert status["database"] is None
    assert refused.returncode == 1
    assert "systemctl stop classroom-hub" in refused.stderr
