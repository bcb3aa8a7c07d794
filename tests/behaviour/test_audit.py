"""The audit log: who did what, from where, and none of the secrets that were used."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from behaviour.deployment import read_settings
from behaviour.people import PASSWORD, Visitor, api, shown_password
from behaviour.two_factor import login, turn_on
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from behaviour import servers
    from behaviour.conftest import Server
    from behaviour.terminal import Terminal

    Visit = Callable[..., Visitor]

pytestmark = pytest.mark.timeout(180)


def events(terminal: Terminal, name: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = terminal.ask("audit", "--user", name)
    return rows


def visit_server(visitor: Visitor, student: servers.Server) -> None:
    """Log a browser in at a student's server, as JupyterHub's page of consent does."""
    client = f"client_id=jupyterhub-user-{student.name}&redirect_uri={student.base}oauth_callback"
    path = f"/hub/api/oauth2/authorize?{client}&response_type=code&state=x"
    page = visitor.get(path, follow=False)
    if page.status_code == 200:
        scopes = re.findall(r'name="scopes" value="([^"]+)"', page.text)
        headers = {"Referer": visitor.url + path}
        page = visitor.web.post(path, data={"_xsrf": visitor.xsrf or "", "scopes": scopes}, headers=headers)
    assert "code=" in page.headers["Location"]


def test_the_life_of_an_account_is_recorded_with_who_did_it_from_where(
    visit: Visit, admin: Visitor, admin_credentials: tuple[str, str], name: str, terminal: Terminal
) -> None:
    person, stranger = visit(), visit()
    person.sign_up(name)
    admin.act("approve", name)
    person.sign_in(name)
    for i in range(6):
        stranger.sign_in(name, f"wrong {i}")
    new = "another set of words"
    person.post(
        "/hub/change-password", {"old_password": PASSWORD, "new_password": new, "new_password_confirmation": new}
    )
    person.get("/hub/logout")
    admin.post(f"/hub/change-password/{name}", {})
    admin.act("revoke", name)
    assert terminal.run("users", "remove", "--yes", name).returncode == 0

    rows = events(terminal, name)
    assert [row["action"] for row in rows] == [
        "sign-up",
        "approved",
        "login",
        *["login-failed"] * 5,
        "locked",
        "password-changed",
        "sign-out",
        "password-reset",
        "closed",
        "removed",
    ]
    found = {row["action"]: row for row in rows}
    teacher = admin_credentials[0]
    assert found["approved"]["by"] == found["password-reset"]["by"] == found["closed"]["by"] == teacher
    assert found["removed"]["by"] == "the command line"
    if person.address is not None:
        assert found["login"]["address"] == person.address
        assert found["locked"]["address"] == stranger.address
    assert all(row["user"] == name for row in rows)


def test_a_server_is_recorded_from_its_start_to_its_end(
    new_student: Callable[[], servers.Server], admin: Visitor, terminal: Terminal
) -> None:
    student = new_student()
    student.start()
    visit_server(admin, student)
    student.stop()
    wait_until(lambda: events(terminal, student.name)[-1]["action"] == "server-stopped", "the stop is recorded", 30)
    found = {row["action"]: row for row in events(terminal, student.name)}
    assert found["server-started"]["by"] == found["server-stopped"]["by"] == student.name
    assert found["server-visited"]["by"] != student.name
    assert found["server-visited"]["user"] == student.name


@pytest.mark.attack(77)
def test_no_secret_is_in_the_log_or_the_journal(  # noqa: PLR0917 - fixtures
    visit: Visit, admin: Visitor, student: Visitor, name: str, terminal: Terminal, server: Server
) -> None:
    wrong, typed = "a wrong password typed", "password-in-the-name-field"
    visit().sign_in(name, wrong)
    visit().sign_in(typed, wrong)
    phone, recovery = turn_on(student)
    visitor = visit()
    login(visitor, name, recovery[0])
    visitor.get("/hub/logout")
    login(student, name, phone.code())
    token = api(student, "POST", f"users/{name}/tokens", {"note": "n"}).json()["token"]
    once = shown_password(admin.post(f"/hub/change-password/{name}", {}))
    code: str = terminal.ask("users", "invite", "--count", "1")[0]["code"]
    cookies = [cookie.value or "" for cookie in student.web.cookies.jar]
    words = "yet more plain words"
    form: dict[str, str | list[str]] = {"signup_password": words, "signup_password_confirmation": words, "code": code}
    assert visit().post("/hub/signup", {"username": f"{name}-c", **form}).url.path == "/hub/login"
    actions = {row["action"] for row in events(terminal, name) + events(terminal, f"{name}-c")}
    expected = {"login-failed", "token-created", "password-reset", "code-used", "two-factor-on", "recovery-code-used"}
    assert expected <= actions

    lines = [line for line in server("logs", "hub").splitlines() if line.startswith('{"time"')]
    assert any(json.loads(line).get("user") == name for line in lines)
    text = "\n".join([*lines, json.dumps(terminal.ask("audit"))])
    assert len(recovery) == 10
    secrets = [phone.key, *recovery, PASSWORD, wrong, typed, token, once, code, words, *cookies]
    assert [secret for secret in secrets if len(secret) > 5 and secret in text] == []


def test_announcements_codes_and_failures_of_unknown_names_are_recorded(
    visit: Visit, name: str, terminal: Terminal, server: Server
) -> None:
    stranger = visit()
    stranger.sign_in(name, "wrong")
    assert terminal.run("announce", "The lecture begins at ten.").returncode == 0
    assert terminal.run("announce", "--clear").returncode == 0
    rows: list[dict[str, Any]] = terminal.ask("audit", "--since", "10m")
    assert [row["detail"] for row in rows if row["action"] == "announced"][-2:] == [
        "The lecture begins at ten.",
        "cleared",
    ]
    failures = [row for row in rows if row["action"] == "login-failed" and "user" not in row]
    assert failures
    if stranger.address is not None:
        assert failures[-1]["address"] == stranger.address
    shown = terminal.run("audit", "--since", "10m")
    assert "announced" in shown.stdout
    assert terminal.run("audit", "--since", "soon").returncode == 2
    assert server("exec", "stat", "--format=%a", f"{_state(server)}/audit").strip() == "700"


def _state(server: Server) -> str:
    settings = read_settings(server)
    return str(settings["paths"]["state"])
