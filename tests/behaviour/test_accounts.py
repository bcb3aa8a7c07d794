"""Sign-up, approval, and their permissions, over HTTP as in a browser."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest

from behaviour.people import Visitor, api, is_approved, is_waiting, page_messages
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    Visit = Callable[..., Visitor]


def test_a_student_signs_up_is_approved_and_signs_in(visit: Visit, admin: Visitor, name: str) -> None:
    student = visit()
    answer = student.sign_up(name, full_name="Ada Lovelace")
    assert answer.url.path == "/hub/waiting"
    assert name in answer.text
    assert "Ada Lovelace" in admin.get("/hub/authorize").text
    answer = admin.act("approve", name)
    assert page_messages(answer) == f"Approved: {name}."
    answer = student.get("/hub/waiting")
    assert answer.url.path == "/hub/login"
    assert "approved" in page_messages(answer)
    answer = student.sign_in(name)
    assert (answer.status_code, answer.url.path) == (200, "/hub/home")


def test_a_login_before_approval_leads_to_the_waiting_page(visit: Visit, name: str) -> None:
    visit().sign_up(name)
    elsewhere = visit()
    answer = elsewhere.sign_in(name)
    assert answer.url.path == "/hub/waiting"
    assert name in answer.text
    assert not elsewhere.is_signed_in


def test_an_approved_student_is_known_to_the_hub_before_the_first_login(
    visit: Visit, admin: Visitor, name: str
) -> None:
    visit().sign_up(name)
    assert api(admin, "GET", f"users/{name}").status_code == 404
    admin.act("approve", name)
    assert api(admin, "GET", f"users/{name}").status_code == 200


def test_a_rejected_request_is_gone_and_the_name_is_free(visit: Visit, admin: Visitor, name: str) -> None:
    student = visit()
    student.sign_up(name)
    admin.act("reject", name)
    assert not is_waiting(admin, name)
    assert "Request not found" in student.get("/hub/waiting").text
    assert student.sign_in(name).status_code == 403
    assert visit().sign_up(name).url.path == "/hub/waiting"


@pytest.mark.attack(52)
@pytest.mark.parametrize("path", ["authorize", "discard"])
def test_a_link_or_an_image_cannot_approve_or_remove(visit: Visit, admin: Visitor, name: str, path: str) -> None:
    visit().sign_up(name)
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = admin.web.request(method, f"/hub/{path}/{name}", headers={"X-XSRFToken": admin.xsrf or ""})
        assert answer.status_code in {404, 405}, method
    assert is_waiting(admin, name)


@pytest.mark.attack(48)
@pytest.mark.parametrize("token", ["", "forged", "2|0:1|1:1|"])
def test_a_form_from_another_site_does_nothing(visit: Visit, admin: Visitor, name: str, token: str) -> None:
    visit().sign_up(name)
    for path, fields in (
        ("/hub/authorize", {"action": "approve", "name": name}),
        (f"/hub/change-password/{name}", {}),
        ("/hub/change-password", {"old_password": "x"}),
    ):
        answer = admin.web.post(path, data={**fields, "_xsrf": token})
        assert answer.status_code == 403
        assert "open for too long" in html.unescape(answer.text)
        assert "Traceback" not in answer.text
    assert is_waiting(admin, name)


def test_a_sign_up_form_that_was_open_too_long_comes_back_with_what_was_typed(visit: Visit, name: str) -> None:
    student = visit()
    student.get("/hub/signup")
    answer = student.web.post("/hub/signup", data={"username": name, "full_name": "Ada", "_xsrf": "old"})
    assert answer.status_code == 403
    assert "Please try again" in page_messages(answer)
    assert f'value="{name}"' in answer.text


def test_a_student_cannot_open_the_list_or_approve(visit: Visit, student: Visitor, name: str) -> None:
    other = f"{name}-2"
    visit().sign_up(other)
    assert student.get("/hub/authorize").status_code == 403
    assert student.act("approve", other).status_code == 403
    assert student.get(f"/hub/change-password/{name}").status_code == 403
    assert student.post(f"/hub/change-password/{other}", {}).status_code == 403
    assert visit().sign_in(other).url.path == "/hub/waiting"


def test_without_login_the_list_leads_to_the_login_page(visit: Visit, name: str) -> None:
    stranger = visit()
    assert stranger.get("/hub/authorize").url.path == "/hub/login"
    assert stranger.get("/hub/change-password").url.path == "/hub/login"
    assert stranger.post("/hub/authorize", {"action": "approve", "name": name}).status_code == 403


def test_a_second_approval_changes_nothing(visit: Visit, admin: Visitor, name: str) -> None:
    visit().sign_up(name)
    admin.act("approve", name)
    answer = admin.act("approve", name)
    assert "already" in page_messages(answer)
    assert is_approved(admin, name)
    visitor = visit()
    visitor.sign_in(name)
    assert visitor.is_signed_in


def test_several_students_are_approved_at_once(visit: Visit, admin: Visitor, name: str) -> None:
    names = [f"{name}-{i}" for i in range(3)]
    for username in names:
        visit().sign_up(username)
    assert page_messages(admin.act("approve", *names)).startswith("Approved: ")
    assert all(is_approved(admin, username) for username in names)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "approve", "name": "nobody-of-that-name"}, "no account named nobody-of-that-name"),
        ({"action": "approve"}, "Nobody is selected"),
        ({"action": "reject", "name": "nobody-of-that-name"}, "no account named"),
        ({"action": "promote", "name": "x"}, "Load the page again"),
        ({"action": "approve", "name": "x" * 2000}, "too many or too long"),
        ({"action": "x" * 1_000_000, "name": "x"}, "too long"),
    ],
    ids=["unknown", "nobody selected", "reject unknown", "unknown action", "long name", "huge field"],
)
def test_an_invalid_action_is_refused_with_the_reason(
    admin: Visitor, fields: dict[str, str | list[str]], words: str
) -> None:
    answer = admin.post("/hub/authorize", fields)
    assert answer.status_code in {400, 404, 413}
    assert words in page_messages(answer)


@pytest.mark.attack(54)
def test_a_closed_account_loses_its_sessions_and_can_be_reopened(
    visit: Visit, admin: Visitor, student: Visitor, name: str
) -> None:
    admin.act("revoke", name)
    assert not student.is_signed_in
    answer = visit().sign_in(name)
    assert "closed" in page_messages(answer)
    admin.act("reject", name)  # An account that was approved once may have files: this must not remove it.
    admin.act("approve", name)
    again = visit()
    again.sign_in(name)
    assert again.is_signed_in


@pytest.mark.attack(54)
@pytest.mark.parametrize("ready", [True, False], ids=["ready", "starting"])
def test_closing_an_account_stops_its_server(admin: Visitor, student: Visitor, name: str, *, ready: bool) -> None:
    del student
    assert api(admin, "POST", f"users/{name}/server").status_code in {201, 202}
    if ready:
        wait_until(
            lambda: api(admin, "GET", f"users/{name}").json()["servers"].get("", {}).get("ready"), "the server is up"
        )
    admin.act("revoke", name)
    wait_until(lambda: not api(admin, "GET", f"users/{name}").json()["servers"], "the server is gone")
    assert not api(admin, "GET", f"users/{name}").json()["pending"]


def look_alikes(name: str) -> list[str]:
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in name)
    cyrillic = [name.replace("e", "\u0435"), name.replace("a", "\u0430")]
    near = [f"{name}.", f"{name}-", name.replace("e", "3"), name.replace("e", "é"), f"{name}\u200b"]
    return [name, name.upper(), f" {name} ", wide, *cyrillic, *near]


@pytest.mark.attack(43)
def test_nobody_can_sign_up_with_a_name_like_an_instructors(
    visit: Visit, admin_credentials: tuple[str, str], admin: Visitor
) -> None:
    visitor = visit()
    for typed in look_alikes(admin_credentials[0]):
        answer = visitor.sign_up(typed)
        assert answer.status_code in {400, 409}, typed
        assert "username" in page_messages(answer), typed
    assert admin.is_signed_in


def test_a_student_is_no_admin(student: Visitor) -> None:
    assert student.get("/hub/admin").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PATCH", "users/{name}", {"admin": True}, "The settings alone name the instructors."),
        ("PATCH", "users/teacher", {"admin": False}, "The settings alone name the instructors."),
        ("POST", "users/new-one", {"admin": True}, "The settings alone name the instructors."),
        ("POST", "users", {"usernames": ["new-one"], "admin": True}, "The settings alone name the instructors."),
        ("PATCH", "users/{name}", {"name": "new-one"}, "An account cannot be renamed."),
        ("POST", "users", {"usernames": ["ad\u200ba"]}, "character 3 is U+200B (zero width space)."),
        ("POST", "users/Ada%20L", {}, "character 4 is U+0020 (space). A username has 1 to 32"),
    ],
)
def test_an_instructors_program_reads_why_a_user_cannot_be_changed(
    method: str, path: str, body: dict[str, object], words: str, *, admin: Visitor, student: Visitor, name: str
) -> None:
    answer = api(admin, method, path.format(name=name), body)
    assert (answer.status_code, words in answer.json()["message"]) == (400, True), answer.text
    assert student.is_signed_in
    assert api(admin, "GET", f"users/{name}").json()["admin"] is False
    assert api(admin, "GET", "users/teacher").json()["admin"] is True
    assert api(admin, "GET", "users/new-one").status_code == 404


def test_an_instructors_program_may_send_what_is_true_already(admin: Visitor, student: Visitor, name: str) -> None:
    assert student.is_signed_in
    assert api(admin, "PATCH", f"users/{name}", {"name": name, "admin": False}).status_code == 200


def test_a_wrong_option_of_a_start_is_a_mistake_and_does_not_pass_with_time(student: Visitor, name: str) -> None:
    answer = api(student, "POST", f"users/{name}/server", {"image": "evil"})
    assert answer.status_code == 400
    assert "gpu" in answer.json()["message"]
    assert "in a minute" not in answer.json()["message"]
