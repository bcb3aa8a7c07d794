"""Sign-up with valid and invalid input."""

from __future__ import annotations

import html
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from behaviour.deployment import read_settings
from behaviour.people import PASSWORD, Visitor, is_waiting, page_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from behaviour.conftest import Server
    from behaviour.terminal import Terminal

    Visit = Callable[..., Visitor]


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "too short"),
        ("", "too short"),
        ("1234567890", "too common"),
        ("aaaaaaaaaaaa", "too simple"),
        ("x{name}x", "contains the username"),
        ("é" * 600, "too long"),
        ("a" * 400_000, "too long"),
    ],
    ids=["short", "empty", "common", "simple", "holds the name", "many bytes", "400 kB, twice"],
)
def test_a_bad_password_is_refused_with_the_reason(visit: Visit, name: str, password: str, words: str) -> None:
    answer = visit().sign_up(name, password.format(name=name))
    assert answer.status_code in {400, 413}
    assert words in page_messages(answer)
    assert f'value="{name}"' in answer.text, "the form keeps what was typed"


def test_two_different_passwords_are_refused(visit: Visit, name: str) -> None:
    answer = visit().sign_up(name, PASSWORD, PASSWORD + "x")
    assert (answer.status_code, "not the same" in page_messages(answer)) == (400, True)


def test_a_long_passphrase_works_to_its_last_letter(visit: Visit, admin: Visitor, name: str) -> None:
    phrase = "correct horse battery staple " * 6
    visit().sign_up(name, phrase)
    admin.act("approve", name)
    assert visit().sign_in(name, phrase[:-1] + "x").status_code == 403
    student = visit()
    student.sign_in(name, phrase)
    assert student.is_signed_in


def test_spaces_at_the_ends_and_any_letters_count(visit: Visit, admin: Visitor, name: str) -> None:
    password = "  Привет, 世界 🎓  "
    visit().sign_up(name, password)
    admin.act("approve", name)
    assert visit().sign_in(name, password.strip()).status_code == 403
    student = visit()
    student.sign_in(name, password)
    assert student.is_signed_in


HOSTILE = "<script>alert(1)</script>"


@pytest.mark.attack(44)
@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        ".",
        "..",
        "-ada",
        "_ada",
        "a b",
        "a/b",
        "a%2fb",
        "ada@example.org",
        "adä",
        "a" * 33,
        HOSTILE,
        "a\nb",
        "\uff41\uff44\uff41",
        "\u212aate",
    ],
)
def test_a_name_that_breaks_the_rule_is_refused_with_the_rule(visit: Visit, typed: str) -> None:
    answer = visit().sign_up(typed)
    assert answer.status_code == 400
    assert "1 to 32 characters" in page_messages(answer)
    assert HOSTILE not in answer.text


def test_capital_letters_become_lower_case(visit: Visit, name: str) -> None:
    answer = visit().sign_up(name.upper())
    assert answer.url.path == "/hub/waiting"
    assert f">{name}</strong>" in answer.text


@pytest.mark.parametrize("field", ["username", "full_name", "signup_password", "signup_password_confirmation"])
def test_a_field_of_a_megabyte_is_refused_by_name(visit: Visit, name: str, field: str) -> None:
    fields: dict[str, str | list[str]] = {
        "username": name,
        "signup_password": PASSWORD,
        "signup_password_confirmation": PASSWORD,
        field: "x" * 1_000_000,
    }
    answer = visit().post("/hub/signup", fields)
    assert answer.status_code == 413
    assert "too long" in page_messages(answer)
    assert len(answer.content) < 100_000, "the page does not send it back"


@pytest.mark.parametrize("field", ["username", "password"])
def test_a_login_field_of_a_megabyte_is_refused(visit: Visit, name: str, field: str) -> None:
    fields: dict[str, str | list[str]] = {"username": name, "password": PASSWORD, field: "x" * 1_000_000}
    answer = visit().post("/hub/login", fields)
    assert answer.status_code == 413
    assert "too long" in page_messages(answer)
    assert len(answer.content) < 100_000


@pytest.mark.parametrize("path", ["/hub/signup", "/hub/login"])
def test_a_broken_form_causes_no_server_error(visit: Visit, path: str) -> None:
    visitor = visit()
    assert visitor.post(path, {}).status_code in {400, 403}
    token = visitor.xsrf or ""
    body = b"_xsrf=" + token.encode() + b"&username=%ff%fe&password=%ff"
    answer = visitor.web.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 400
    assert "cannot be read" in page_messages(answer)
    body = body.replace(token.encode(), b"stale")
    answer = visitor.web.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code in {400, 403}
    assert "</html>" in answer.text, "a server error"


@pytest.mark.attack(47)
def test_a_name_in_the_list_is_escaped(visit: Visit, admin: Visitor, name: str) -> None:
    visit().sign_up(name, full_name=HOSTILE)
    page = admin.get("/hub/authorize").text
    assert HOSTILE not in page
    assert html.escape(HOSTILE) in page
    admin.act("reject", name)


def test_signing_up_twice_with_the_same_password_leads_to_the_same_place(visit: Visit, name: str) -> None:
    student = visit()
    student.sign_up(name)
    assert student.sign_up(name).url.path == "/hub/waiting"


@pytest.mark.attack(42)
def test_a_taken_name_is_refused(visit: Visit, name: str) -> None:
    visit().sign_up(name)
    answer = visit().sign_up(name, "another password of mine")
    assert answer.status_code == 409
    assert "taken" in page_messages(answer)


def test_one_of_two_concurrent_sign_ups_is_told_that_the_name_is_taken(visit: Visit, admin: Visitor, name: str) -> None:
    people = [visit() for _ in range(6)]
    for person in people:
        person.get("/hub/signup")
    with ThreadPoolExecutor(len(people)) as pool:
        answers = list(pool.map(lambda i: people[i].sign_up(name, f"{PASSWORD} {i}"), range(len(people))))
    won = [answer.url.path == "/hub/waiting" for answer in answers]
    assert won.count(True) == 1
    assert all("taken" in page_messages(answer) for answer, first in zip(answers, won, strict=True) if not first)
    admin.act("approve", name)
    winner = visit()
    winner.sign_in(name, f"{PASSWORD} {won.index(True)}")
    assert winner.is_signed_in


# -- many sign-ups at once -----------------------------------------------------------------------------------------

INSERT = """
import sqlite3, sys
file, prefix, address, count = sys.argv[1:]
with sqlite3.connect(file, timeout=30) as db:
    for number in range(int(count)):
        name = f"{prefix}-{number}"
        db.execute("INSERT INTO users_info (username, password, is_authorized) VALUES (?, ?, 0)", (name, b"x"))
        db.execute(
            "INSERT INTO classroom_accounts (name, full_name, created, must_change, origin)"
            " VALUES (?, '', datetime('now'), 0, ?)", (name, address),
        )
"""


@pytest.fixture
def flood(server: Server, name: str, terminal: Terminal) -> Iterator[str]:
    """Let 4,000 sign-ups wait from one address; return the address."""
    settings = read_settings(server)
    address = "198.51.100.7"
    server("exec", "python3", "-c", INSERT, f"{settings['paths']['state']}/jupyterhub.sqlite", name, address, "4000")
    yield address
    terminal.run("users", "reject", "--from", address)


@pytest.mark.attack(89)
def test_an_instructor_rejects_a_flood_in_one_step_and_nobody_else(
    visit: Visit, admin: Visitor, name: str, flood: str, figure: Callable[[str], None]
) -> None:
    visit().sign_up(f"{name}-honest")
    start = time.perf_counter()
    page = admin.get("/hub/authorize")
    took = time.perf_counter() - start
    figure(f"the page of accounts with 4,000 sign-ups that wait: {took:.2f} s, {len(page.content) // 1000} kB")
    assert took < 3
    assert f'aria-label="Reject all from {flood}"' in page.text
    answer = admin.post("/hub/authorize", {"action": "reject-from", "origin": flood})
    assert f"Rejected: 4000 sign-ups from {flood}." in page_messages(answer)
    assert len(page.content) - len(answer.content) < 500_000, "the page does not list all 4,000"
    assert is_waiting(admin, f"{name}-honest")
    assert "Reject all" not in answer.text


@pytest.mark.attack(89)
def test_the_operator_rejects_by_address_or_name(visit: Visit, terminal: Terminal, name: str, flood: str) -> None:
    person = visit()
    person.sign_up(f"{name}-honest")
    (row,) = (row for row in terminal.ask("users", "list") if row["name"] == f"{name}-honest")
    if person.address is not None:
        assert row["origin"] == person.address
    answer = terminal.ask("users", "reject", "--from", flood)
    assert len(answer["changed"]) == 4000
    assert f"Nobody from {flood} is waiting" in terminal.run("users", "reject", "--from", flood).stdout
    assert terminal.run("users", "reject").returncode == 2
    assert terminal.run("users", "reject", f"{name}-honest").stdout == f"Rejected: {name}-honest.\n"
    assert terminal.run("users", "reject", f"{name}-honest").returncode == 1
