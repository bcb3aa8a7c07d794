"""A student's server, from the view of the hub, the browser and the student."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from classroom.student import logins
from support.http import answers
from support.network import free_port
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from student.student_site import Hub, Server

MIB = 1024**2


def log_in(hub: Hub, server: Server, user: str) -> httpx.Client:
    """Follow the redirects between hub and server as a browser does, with the proxy's part done by hand."""
    client = httpx.Client(timeout=60)
    login = client.get(f"{hub.url}/hub/login")
    form = {"username": user, "password": "x", "_xsrf": client.cookies["_xsrf"]}
    assert login.is_success
    assert client.post(f"{hub.url}/hub/login", data=form).status_code == 302
    answer = client.get(server.url + "lab")
    for _ in range(10):
        if not answer.has_redirect_location:
            break
        target = urljoin(str(answer.url), answer.headers["location"])
        base = server.url if "/user/" in target.split("?")[0] else hub.url
        answer = client.get(re.sub(r"^http://[^/]+", re.match(r"http://[^/]+", base)[0], target))
    client.answer = answer  # type: ignore[attr-defined]
    return client


def test_a_student_logs_in_through_the_hub_and_gets_lab(hub: Hub, server: Server) -> None:
    answer = log_in(hub, server, "ann").answer  # type: ignore[attr-defined]
    assert answer.status_code == 200
    assert '"hubUser": "ann"' in answer.text
    assert '"appName": "JupyterLab"' in answer.text


def test_another_student_is_refused(hub: Hub, server: Server) -> None:
    client = log_in(hub, server, "eve")
    assert client.answer.status_code == 403  # type: ignore[attr-defined]
    assert client.get(server.url + "api/contents").status_code == 403


def wait_closed(socket: Any) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            socket.recv(timeout=10)


@pytest.mark.attack(92)
def test_logins_that_the_hub_ended_are_over_at_once_with_their_websockets(hub: Hub, server: Server) -> None:
    client = log_in(hub, server, "ann")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
    tokens = hub.get("users/ann/tokens").json()["api_tokens"]
    with server.kernel() as kernel:
        own = kernel.run("import os; print(os.environ['JUPYTERHUB_API_TOKEN'])").strip()
        address = f"{server.url.replace('http', 'ws', 1)}api/kernels/{kernel.id}/channels"
        with connect(address, additional_headers={"Cookie": cookies}) as socket, kernel.channels() as others:
            for token in tokens:
                if token["session_id"]:
                    hub.request("DELETE", f"users/ann/tokens/{token['id']}")
            assert client.get(server.url + "api/contents").status_code == 200, "the server has cached the login"
            assert httpx.delete(server.url + logins.PATH).status_code == 403
            assert server.request("DELETE", logins.PATH).status_code == 403, "another token"
            headers = {"Authorization": logins.proof(own)}
            assert own not in headers["Authorization"], "the container at this address may be another student's by now"
            assert httpx.delete(server.url + logins.PATH, headers=headers).status_code == 204
            for ended in (socket, others.socket):
                wait_closed(ended)
        assert client.get(server.url + "api/contents").status_code == 403
        with pytest.raises(InvalidStatus):
            connect(address, additional_headers={"Cookie": cookies})
        assert kernel.run("print(1)") == "1\n", "others connect again"


def test_a_request_without_login_is_refused(server: Server) -> None:
    assert httpx.get(server.url + "api/contents").status_code == 403
    assert httpx.get(server.url + "api/kernels", headers={"Authorization": "token nonsense"}).status_code == 403


def test_a_hub_without_notices_is_asked_again_later(server: Server) -> None:
    assert server.get("api/classroom/notice").json() == {"reason": None, "again": 300, "home": []}
    assert httpx.get(server.url + "api/classroom/notice").status_code == 403


def test_a_cell_runs(server: Server) -> None:
    with server.kernel() as kernel:
        assert kernel.run("print(6 * 7)") == "42\n"


def test_kernels_use_sockets_in_a_private_directory(server: Server) -> None:
    with server.kernel() as kernel:
        file = server.runtime / f"kernel-{kernel.id}.json"
        assert json.loads(file.read_text())["transport"] == "ipc"
        assert server.runtime.stat().st_mode & 0o777 == 0o700
        assert kernel.run("print(1)") == "1\n"
        listening = [
            connection.laddr.ip
            for one in psutil.Process(server.pid).children(recursive=True)
            for connection in one.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
    # ipykernel has a port for the output of its child processes; no port is for others.
    assert set(listening) <= {"127.0.0.1"}


def test_lab_sends_no_requests_to_the_internet_and_has_no_installer(server: Server) -> None:
    page = server.get("lab").text
    assert "@jupyterlab/apputils-extension:announcements" in page
    assert re.search(r'"news": \{"disabled": true\}', page)
    assert '"install_path": null' in page or '"can_install": false' in page


def test_no_secret_is_written_into_the_home(server: Server) -> None:
    found = [path.name for path in server.home.rglob("*") if "cookie" in path.name or path.name.startswith("jpserver")]
    assert found == []


def test_files_below_a_dot_are_hidden(server: Server) -> None:
    (server.home / ".hidden").write_text("x")
    assert server.request("GET", "api/contents/.hidden").status_code in {400, 404}


def test_deleted_files_do_not_go_into_a_trash(server: Server) -> None:
    server.save("gone.txt", "x").raise_for_status()
    assert server.request("DELETE", "api/contents/gone.txt").status_code == 204
    assert not [path for path in server.home.rglob("*") if "rash" in path.name]


def test_lab_settings_are_kept_in_the_home(server: Server) -> None:
    theme = "@jupyterlab/apputils-extension:themes"
    raw = '{"theme": "JupyterLab Dark"}'
    server.request("PUT", f"lab/api/settings/{theme}", json={"raw": raw}).raise_for_status()
    assert list((server.home / ".jupyter" / "lab" / "user-settings").rglob("themes.jupyterlab-settings"))


def test_a_kernel_that_the_student_installed_is_offered(server: Server) -> None:
    folder = server.home / ".local" / "share" / "jupyter" / "kernels" / "mine"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Mine"}))
    assert {"mine", "python3"} <= set(server.get("api/kernelspecs").json()["kernelspecs"])
    kernel = server.start_kernel("mine")
    assert kernel.run("print('mine')") == "mine\n"
    server.request("DELETE", f"api/kernels/{kernel.id}")


def test_code_planted_in_the_home_is_not_loaded_by_the_server(hub: Hub, spawn: Callable[[str], Server]) -> None:
    home = hub.homes / "bob"
    trap = "from pathlib import Path\nimport os\nPath('{}').write_text(str(os.getpid()))\n"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for place in (
        ".jupyter/jupyter_server_config.py",
        ".jupyter/jupyter_config.py",
        ".jupyter/jupyter_lab_config.py",
        f".local/lib/{version}/site-packages/usercustomize.py",
        f".local/lib/{version}/site-packages/jupyterlab_widgets.py",
        "tornado.py",
        "sitecustomize.py",
    ):
        file = home / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(trap.format(home / f"trapped-{file.stem}"))
    (home / ".jupyter" / "jupyter_server_config.json").write_text('{"ServerApp": {"allow_origin": "*"}}')
    server = spawn("bob")
    assert not list(home.glob("trapped-*"))
    answer = httpx.get(server.url + "api", headers={"Origin": "http://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


NOTEBOOK = {"type": "notebook", "content": {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}}
TEMPLATE_NAMES = {"html": "lab/index.html.j2", "markdown": "markdown/index.md.j2", "python": "python/index.py.j2"}


@pytest.mark.attack(2)
@pytest.mark.parametrize("exporter", TEMPLATE_NAMES)
@pytest.mark.parametrize("place", ["", ".local/share/jupyter/", ".local/share/jupyter/nbconvert/templates/"])
def test_no_template_of_the_home_runs_in_the_server(place: str, exporter: str, server: Server) -> None:
    server.request("PUT", "api/contents/e.ipynb", json=NOTEBOOK).raise_for_status()
    before = server.get(f"nbconvert/{exporter}/e.ipynb").text
    folder, template = (server.home / place / TEMPLATE_NAMES[exporter]).parent, Path(TEMPLATE_NAMES[exporter]).name
    folder.mkdir(parents=True, exist_ok=True)
    imports = json.dumps({"preprocessors": {"1": {"type": "planted"}}, "base_template": "planted"})
    files = {folder / template: "planted", folder.parent / template: "planted"}
    files |= {folder / "conf.json": imports, folder.parent / "conf.json": imports}
    for file, text in files.items():
        file.write_text(text)
    try:
        assert server.get(f"nbconvert/{exporter}/e.ipynb").text == before
        assert "planted" not in server.request("POST", f"nbconvert/{exporter}", json=NOTEBOOK).raise_for_status().text
    finally:
        for file in files:
            file.unlink()


@pytest.mark.attack(63)
def test_files_of_the_home_are_in_a_sandbox_wherever_they_are_served(server: Server) -> None:
    page = "<script>document.title = origin</script>"
    kernel = server.home / ".local" / "share" / "jupyter" / "kernels" / "evil"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "x"}))
    (kernel / "x.html").write_text(page)
    (server.home / "x.html").write_text(page)
    for path in ("kernelspecs/evil/x.html", "files/x.html"):
        answer = server.get(path)
        assert answer.text == page
        words = answer.headers["Content-Security-Policy"].replace(";", " ").split()
        assert "sandbox" in words
        assert "allow-same-origin" not in words
    shutil.rmtree(kernel)


@pytest.mark.attack(63)
@pytest.mark.parametrize(
    "place",
    [
        ".jupyter/custom/x.html static/custom/x.html",
        ".jupyter/custom/x.html custom/x.html",
        ".local/share/jupyter/labextensions/x/x.html lab/extensions/x/x.html",
        ".local/share/jupyter/lab/static/x.html static/lab/x.html",
        ".local/share/jupyter/lab/themes/x.html lab/api/themes/x.html",
        ".local/share/jupyter/lab/extensions/x.html lab/extensions/x.html",
        ".local/share/jupyter/nbextensions/x.html nbextensions/x.html",
        "lab/extensions/x.html lab/extensions/x.html",
        "static/x.html static/x.html",
    ],
)
def test_no_other_folder_of_the_home_is_served(place: str, server: Server) -> None:
    path, address = place.split()
    file = server.home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("planted")
    assert "planted" not in server.request("GET", address).text


def test_a_home_turns_extensions_off_but_names_no_address_of_scripts(server: Server) -> None:
    folder = server.home / ".jupyter" / "labconfig"
    folder.mkdir(parents=True)
    planted = dict.fromkeys(("fullLabextensionsUrl", "fullMathjaxUrl", "baseUrl"), "https://planted.example")
    (folder / "page_config.json").write_text(json.dumps(planted | {"disabledExtensions": {"unwanted": True}}))
    page = server.get("lab").text
    shutil.rmtree(folder)
    assert "planted" not in page
    assert '"unwanted"' in page
    assert "@jupyterlab/apputils-extension:announcements" in page


@pytest.mark.parametrize(
    ("request_", "directory"),
    [({}, ""), ({"cwd": ""}, ""), ({"cwd": "terminals"}, "terminals"), ({"cwd": "@classroom"}, "@classroom")],
)
def test_terminals_start_in_the_home(request_: dict[str, str], directory: str, server: Server) -> None:
    (server.home / directory).mkdir(exist_ok=True)
    before = set(psutil.Process(server.pid).children())
    terminal = server.request("POST", "api/terminals", json=request_).raise_for_status().json()["name"]
    (shell,) = set(psutil.Process(server.pid).children()) - before
    wait_until(lambda: shell.name() == "bash", "the shell starts")
    assert shell.cwd() == str(server.home / directory)
    server.request("DELETE", f"api/terminals/{terminal}")


def test_a_kernel_without_a_notebook_starts_in_the_home(server: Server) -> None:
    with server.kernel() as kernel:
        assert kernel.run("import os; print(os.getcwd())").strip() == str(server.home)


def test_the_first_page_is_the_welcome_notebook_and_later_what_was_open(
    hub: Hub, spawn: Callable[[str], Server]
) -> None:
    home = hub.homes / "newcomer"
    home.mkdir(parents=True)
    (home / "Welcome.ipynb").write_text("{}")
    server = spawn("newcomer")
    assert server.request("GET", "").headers["location"].rstrip("?").endswith("/lab/tree/Welcome.ipynb")
    server.stop()
    (home / ".jupyter" / "lab" / "workspaces").mkdir(parents=True)
    (home / ".jupyter" / "lab" / "workspaces" / "default.jupyterlab-workspace").write_text("{}")
    assert spawn("newcomer").request("GET", "").headers["location"].rstrip("?").endswith("/lab")


def test_200_mb_are_uploaded_in_parts_and_at_once(server: Server) -> None:
    part = base64.b64encode(os.urandom(MIB)).decode()
    for number in [*range(1, 200), -1]:
        body = {"type": "file", "format": "base64", "content": part, "chunk": number}
        server.request("PUT", "api/contents/parts.bin", json=body).raise_for_status()
    assert (server.home / "parts.bin").stat().st_size == 200 * MIB

    whole = base64.b64encode(bytes(200 * MIB)).decode()
    body = {"type": "file", "format": "base64", "content": whole}
    server.request("PUT", "api/contents/whole.bin", json=body).raise_for_status()
    assert (server.home / "whole.bin").stat().st_size == 200 * MIB
    for name in ("parts.bin", "whole.bin"):
        (server.home / name).unlink()
    highest = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())
    assert highest
    # Well within the 4 GiB of a container.
    assert int(highest[1]) / 1024 < 2048


def test_a_stopped_server_ends_its_kernels_within_five_seconds(
    spawn: Callable[[str], Server],
) -> None:
    server = spawn("dora")
    kernel = server.start_kernel()
    kernel.run("1")
    process = psutil.Process(server.pid)
    family = [process, *process.children(recursive=True)]
    process.send_signal(signal.SIGTERM)
    # The hub is the parent and reaps later; an init does so at once in a container.
    lives = lambda one: one.is_running() and one.status() != psutil.STATUS_ZOMBIE  # noqa: E731
    wait_until(lambda: not any(map(lives, family)), "all have ended", 5)


def test_the_hub_may_crash_and_come_back_without_a_server_noticing(hub: Hub, server: Server) -> None:
    with server.kernel() as kernel:
        assert kernel.run("x = 41") == ""
        hub.kill()
        # Known logins are cached for some minutes, so work continues.
        assert kernel.run("x += 1") == ""
        server.save("meanwhile.txt", "saved without a hub").raise_for_status()
        hub.start()
        before = server.last_activity
        server.save("meanwhile.txt", "and with it again").raise_for_status()
        wait_until(lambda: server.last_activity > before, "the server reports to the hub again")
        assert kernel.run("print(x)") == "42\n"


@pytest.fixture
def lonely() -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """Start a server whose hub does not run."""
    port, nobody = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="cl-", dir="/tmp") as folder:
        environment = {
            "HOME": folder,
            "PATH": os.environ["PATH"],
            "JUPYTERHUB_API_TOKEN": "x",
            "JUPYTERHUB_API_URL": f"http://127.0.0.1:{nobody}/hub/api",
            "JUPYTERHUB_ACTIVITY_URL": f"http://127.0.0.1:{nobody}/hub/api/users/zoe/activity",
            "JUPYTERHUB_ACTIVITY_INTERVAL": "1",
            "CLASSROOM_ACTIVITY_INTERVAL": "1",
            "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-zoe",
            "JUPYTERHUB_USER": "zoe",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/zoe/",
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}/user/zoe/",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=zoe/"]',
        }
        log = Path(folder) / "log"
        with log.open("wb") as file:
            command = [sys.executable, "-m", "classroom.student"]
            process = subprocess.Popen(command, env=environment, cwd=folder, stdout=file, stderr=file)
        yield f"http://127.0.0.1:{port}/user/zoe/", process, log
        process.kill()
        process.wait()


def test_a_server_whose_hub_is_away_starts_and_waits_for_it(lonely: tuple[str, subprocess.Popen[bytes], Path]) -> None:
    url, process, log = lonely

    wait_until(lambda: answers(f"{url}api"), "the server answers")
    wait_until(lambda: log.read_text().count("trying again") >= 3, "three tries to reach the hub")
    assert process.poll() is None
    assert "Traceback" not in log.read_text()
    # A server that is started without -I restarts itself with it.
    assert "-I" in psutil.Process(process.pid).cmdline()


def test_the_log_has_no_warning_about_upstreams_own_code(server: Server, hub: Hub) -> None:
    with server.kernel() as kernel:
        assert kernel.run("print(1)") == "1\n"
    lines = [line for line in hub.log.splitlines() if re.search("found in both|cannot be longer|[Dd]eprecat", line)]
    assert lines == []


def test_jupyterlab_knows_how_large_a_message_may_be(server: Server) -> None:
    assert re.search(r'"classroomLargestMessage": \d{8,9}\b', server.get("lab").text)
