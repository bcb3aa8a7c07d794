"""Isolation from the hub: a student's code can read its own data and change nothing of others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from behaviour import containers
from behaviour.deployment import read_settings, student_image
from behaviour.people import Visitor, api
from behaviour.servers import Kernel, Server
from support.waiting import wait_until

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(120)

# The path is sent unchanged; urllib would normalize it.
ASK = """
import http.client, json, os, urllib.parse
hub = urllib.parse.urlsplit(os.environ["JUPYTERHUB_API_URL"])
def ask(method, path, body=None, token=os.environ["JUPYTERHUB_API_TOKEN"], **headers):
    connection = http.client.HTTPConnection(hub.hostname, hub.port, timeout=20)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        headers["Authorization"] = f"token {token}"
    connection.request(method, path, body if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return [answer.status, answer.read().decode(errors="replace")]
"""


@pytest.fixture(scope="module")
def kernel(mine: Server) -> Iterator[Kernel]:
    """Return a kernel that these tests share, because they leave nothing in it."""
    with mine.kernel() as made:
        yield made


@pytest.fixture
def ask(kernel: Kernel) -> Callable[..., tuple[int, Any]]:
    """Send a request to the hub from inside the container, with the server's own token."""
    kernel.run(ASK)

    def send(method: str, path: str, *more: object, **headers: str) -> tuple[int, Any]:
        words = [repr(word) for word in (method, path, *more)] + [
            f"{name}={value!r}" for name, value in headers.items()
        ]
        status, text = kernel.ask(f"ask({', '.join(words)})")
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    return send


def test_a_servers_token_belongs_to_its_student(ask: Callable[..., tuple[int, Any]], mine: Server) -> None:
    status, found = ask("GET", "/hub/api/user")
    assert (status, found["name"]) == (200, mine.name)
    assert not found.get("admin")


@pytest.mark.attack(19)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "/hub/api/users/{other}", None, id="look_at_another_student"),
        pytest.param("GET", "/hub/api/users/{other}/tokens", None, id="read_anothers_tokens"),
        pytest.param("POST", "/hub/api/users/{other}/tokens", {}, id="make_a_token_for_another"),
        pytest.param(
            "POST",
            "/hub/api/users/{other}/activity",
            {"last_activity": "2026-01-01T00:00:00Z"},
            id="report_for_another",
        ),
        pytest.param("POST", "/hub/api/users/{other}/server", {}, id="start_anothers_server"),
        pytest.param("DELETE", "/hub/api/users/{other}/server", None, id="stop_anothers_server"),
        pytest.param("DELETE", "/hub/api/users/{other}", None, id="remove_another_student"),
        pytest.param("PATCH", "/hub/api/users/{mine}", {"admin": True}, id="become_an_instructor"),
        pytest.param("PATCH", "/hub/api/users/{other}", {"admin": True}, id="make_another_an_instructor"),
        pytest.param("POST", "/hub/api/users/new-one", {}, id="make_an_account"),
        pytest.param("POST", "/hub/api/users", {"usernames": ["new-one", "new-two"]}, id="make_accounts"),
        pytest.param("POST", "/hub/api/shutdown", {"proxy": True, "servers": True}, id="shut_the_hub_down"),
        pytest.param("GET", "/hub/api/proxy", None, id="read_the_routes"),
        pytest.param("POST", "/hub/api/proxy", {}, id="reload_the_routes"),
        pytest.param("PATCH", "/hub/api/proxy", {"auth_token": "mine"}, id="change_the_proxys_token"),
        pytest.param("POST", "/hub/api/shares/{mine}/", {"user": "{other}"}, id="share_the_server_with_another"),
        pytest.param("GET", "/hub/api/services", None, id="list_services"),
        pytest.param("POST", "/hub/api/groups/everyone", {}, id="make_a_group"),
        pytest.param("GET", "/hub/api/metrics", None, id="read_metrics"),
    ],
)
def test_a_servers_token_cannot(
    method: str, path: str, body: object, *, ask: Callable[..., tuple[int, Any]], mine: Server, other: Server
) -> None:
    filled = json.loads(json.dumps(body).replace("{other}", other.name))
    status, found = ask(method, path.format(mine=mine.name, other=other.name), filled)
    assert status in {403, 404}, found
    assert other.is_known


@pytest.mark.attack(19)
def test_a_servers_token_lists_no_other_student(
    ask: Callable[..., tuple[int, Any]], mine: Server, other: Server
) -> None:
    status, found = ask("GET", "/hub/api/users")
    assert status == 403 or [user["name"] for user in found] == [mine.name]
    assert other.name not in json.dumps(found)


@pytest.mark.attack(20, 21)
def test_a_student_cannot_create_a_token_with_more_rights(
    ask: Callable[..., tuple[int, Any]], mine: Server, other: Server
) -> None:
    for scopes in (
        ["admin:users"],
        ["admin:servers"],
        ["list:users"],
        ["proxy"],
        ["shutdown"],
        [f"servers!user={other.name}"],
    ):
        answer = api(mine.visitor, "POST", f"users/{mine.name}/tokens", {"scopes": scopes})
        assert answer.status_code in {400, 403}, f"{scopes}: {answer.text}"
    answer = api(mine.visitor, "POST", f"users/{mine.name}/tokens", {"note": "a student's own"})
    assert answer.status_code == 201
    assert ask("GET", f"/hub/api/users/{other.name}", None, answer.json()["token"])[0] == 404


@pytest.mark.attack(67)
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/hub/",
        "/hub/login",
        "/hub/signup",
        "/hub/home",
        "/hub/admin",
        "/hub/authorize",
        "/hub/metrics",
        "/hub/static/css/style.min.css",
        "/hub/apix",
        "/hub/api/../login",
        "/hub/api/%2e%2e/login",
        "/hub/api/..%2flogin",
        "/hub/api/..\\login",
        "//hub/login",
        "/hub//login",
        "/hub/./login",
        "/user/{other}/api/contents",
        "/services/culler/",
    ],
)
def test_a_container_reaches_the_api_and_no_page(path: str, ask: Callable[..., tuple[int, Any]], other: Server) -> None:
    status, found = ask("GET", path.format(other=other.name), None, None)
    assert status in {400, 403, 404}, found
    assert "<form" not in str(found)


@pytest.mark.attack(40)
def test_the_hub_sees_a_containers_own_address_despite_headers(
    ask: Callable[..., tuple[int, Any]], mine: Server, server: Verb
) -> None:
    forged = "198.51.100.77"
    path = f"/hub/api/users/{mine.name}/looked-for"
    ask("GET", path, X_Forwarded_For=forged, X_Real_IP=forged, Forwarded=f"for={forged}")

    def logged() -> list[str]:
        return [line for line in server("logs", "hub").splitlines() if path in line]

    wait_until(lambda: bool(logged()), "the hub has logged the request", 10)
    assert containers.address(server, mine.name) in logged()[-1]
    assert forged not in logged()[-1]


@pytest.mark.attack(69)
def test_a_student_chooses_neither_image_nor_command_nor_mounts(
    new_student: Callable[[], Server], server: Verb
) -> None:
    mine = new_student()
    wish: dict[str, object] = {
        "image": "evil:latest",
        "cmd": ["sleep", "1000"],
        "volumes": {"/": "/host"},
        "environment": {"LD_PRELOAD": "/home/jovyan/evil.so"},
        "extra_host_config": {"privileged": True},
        "user": "root",
        "profile": "evil",
    }
    path = f"users/{mine.name}/server"
    wishes: list[tuple[str, dict[str, object]]] = [
        ("", wish),
        ("", {"user_options": wish}),
        ("?image=evil&opt-image=evil", {}),
    ]
    for query, body in wishes:
        answer = api(mine.visitor, "POST", path + query, body)
        assert answer.status_code < 500, answer.text
    fields: dict[str, str | list[str]] = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in wish.items()
    }
    assert mine.visitor.post(f"/hub/spawn/{mine.name}", fields).status_code < 500
    # The options are refused or ignored: the server starts by the settings.
    mine.start()
    found = containers.inspect(server, mine.name)
    assert found["Config"]["Image"] == student_image(server)
    assert found["Config"]["User"] == "1000:100"
    assert found["HostConfig"]["Privileged"] is False
    assert "evil" not in json.dumps(found)
    assert [mount["Destination"] for mount in found["Mounts"]] == ["/home/jovyan"]
    mine.stop()


@pytest.mark.attack(20, 24)
def test_a_students_token_opens_no_other_students_server(mine: Server, other: Server, url: str) -> None:
    token = api(mine.visitor, "POST", f"users/{mine.name}/tokens", {"note": "a student's own"}).json()["token"]
    headers = {"Authorization": f"token {token}"}
    assert httpx.get(f"{url}{mine.base}api/contents", headers=headers).status_code == 200
    assert httpx.get(f"{url}{other.base}api/contents", headers=headers).status_code == 403


@pytest.mark.attack(22)
def test_a_student_starts_no_second_server(mine: Server) -> None:
    assert api(mine.visitor, "POST", f"users/{mine.name}/servers/second", {}).status_code == 400


def test_a_collector_on_the_server_reads_metrics_by_a_token_that_does_nothing_else(server: Verb) -> None:
    settings = read_settings(server)
    token = server("exec", "cat", f"{settings['paths']['state']}/secrets/metrics-token").strip()
    get = "import sys, urllib.request as web; print(web.urlopen(web.Request(sys.argv[1], headers={'Authorization': "
    get += "'token ' + sys.argv[2]})).read().decode())"
    hub = f"http://{settings['hub']['listen']}"
    assert "jupyterhub_running_servers" in server("exec", "python3", "-c", get, f"{hub}/hub/metrics", token)
    refused = server("exec", "sh", "-c", f'python3 -c "{get}" {hub}/hub/api/users {token} 2>&1 || true')
    assert "403" in refused


@pytest.mark.attack(86)
def test_a_students_report_writes_neither_much_nor_control_characters_into_the_hubs_log(
    mine: Server, server: Verb
) -> None:
    visitor = mine.visitor
    headers = {"X-XSRFToken": visitor.xsrf or "", "Referer": f"{visitor.url}/hub/home"}
    mark = f"report of {mine.name}"
    text = f"{mark}\x1b[2J\nforged line of {mine.name}\u202e" + "x" * 10_000
    answer = visitor.web.post("/hub/security/csp-report", content=text, headers=headers)
    assert answer.status_code == 200, answer.text
    lines = wait_until(
        lambda: [line for line in server("logs", "hub").splitlines() if mark in line], "the report is logged"
    )
    assert len(lines) == 1
    assert len(lines[0]) < 1000
    assert f"{mark}\\x1b[2J\\nforged line of {mine.name}\\u202exxx" in lines[0]
    large = visitor.web.post("/hub/security/csp-report", content="x" * 10**6, headers=headers)
    assert large.status_code == 413
    assert "x" * 1000 not in server("logs", "hub")


@pytest.mark.attack(23)
@pytest.mark.parametrize("minutes", [58, 2])
def test_a_report_from_the_future_does_not_put_off_the_end_of_an_idle_server(
    mine: Server, admin: Visitor, ask: Callable[..., tuple[int, Any]], minutes: int
) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    report = {"last_activity": ahead, "servers": {"": {"last_activity": ahead}}}
    status, _ = ask("POST", f"/hub/api/users/{mine.name}/activity", report)
    assert status == 200
    user = api(admin, "GET", f"users/{mine.name}").json()
    latest = max(user["last_activity"], user["servers"][""]["last_activity"])
    assert datetime.fromisoformat(latest) <= datetime.now(UTC)


def test_a_report_that_is_no_time_is_refused(mine: Server, ask: Callable[..., tuple[int, Any]]) -> None:
    assert ask("POST", f"/hub/api/users/{mine.name}/activity", {"last_activity": "soon"})[0] == 400
    assert ask("POST", f"/hub/api/users/{mine.name}/activity", {"servers": [1]})[0] == 400
