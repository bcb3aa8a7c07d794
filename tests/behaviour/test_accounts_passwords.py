"""Password changes, one-time passwords, and the removal of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from behaviour.people import PASSWORD, Visitor, api, page_messages, shown_password
from behaviour.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    Visit = Callable[..., Visitor]


def test_a_student_changes_the_password_and_other_browsers_are_signed_out(
    visit: Visit, student: Visitor, name: str
) -> None:
    elsewhere = visit()
    elsewhere.sign_in(name)
    new = "another set of words"
    student.get("/hub/change-password")
    answer = student.post(
        "/hub/change-password", {"old_password": PASSWORD, "new_password": new, "new_password_confirmation": new}
    )
    assert "Your password is changed" in page_messages(answer)
    assert student.is_signed_in
    assert not elsewhere.is_signed_in
    assert visit().sign_in(name).status_code == 403
    again = visit()
    again.sign_in(name, new)
    assert again.is_signed_in


@pytest.mark.parametrize("page", ["change-password", "two-factor", "authorize"])
def test_a_form_of_somebody_who_was_signed_out_elsewhere_leads_to_the_login(
    page: str, visit: Visit, student: Visitor, name: str
) -> None:
    student.get(f"/hub/{page}")
    elsewhere = visit()
    elsewhere.sign_in(name)
    elsewhere.get("/hub/logout")
    new = "another set of words"
    fields = {"old_password": PASSWORD, "new_password": new, "new_password_confirmation": new}
    answer = student.post(f"/hub/{page}", {**fields, "action": "begin"})
    assert (answer.status_code, answer.url.path) == (200, "/hub/login"), page_messages(answer)
    assert "You were signed out meanwhile, so nothing was changed. Sign in again." in page_messages(answer)
    again = student.sign_in(name, next_url=f"/hub/{page}")
    assert again.url.path == f"/hub/{page}"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("wrong", "another set of words", "another set of words"), "current password is incorrect"),
        ((PASSWORD, "short", "short"), "too short"),
        ((PASSWORD, "another set of words", "another set of word"), "not the same"),
    ],
    ids=["wrong present one", "too short", "not the same"],
)
def test_an_invalid_password_change_changes_nothing(
    visit: Visit, student: Visitor, name: str, typed: tuple[str, str, str], words: str
) -> None:
    fields = dict(zip(("old_password", "new_password", "new_password_confirmation"), typed, strict=True))
    student.get("/hub/change-password")
    assert words in page_messages(student.post("/hub/change-password", {**fields}))
    visitor = visit()
    visitor.sign_in(name)
    assert visitor.is_signed_in


@pytest.mark.attack(38)
def test_a_neighbours_wrong_passwords_do_not_keep_a_student_from_changing_theirs(
    visit: Visit, student: Visitor, name: str
) -> None:
    if student.address is None:
        pytest.skip("the site is not on this machine: all tests come from one address")
    neighbour = visit(student.address)
    assert [neighbour.sign_in(name, f"wrong {i}").status_code for i in range(6)][-1] == 429
    new = "another set of words"
    answer = student.post(
        "/hub/change-password", {"old_password": PASSWORD, "new_password": new, "new_password_confirmation": new}
    )
    assert "Your password is changed" in page_messages(answer)


def test_wrong_current_passwords_are_counted_in_a_known_browser_too(student: Visitor) -> None:
    fields: dict[str, str | list[str]] = dict.fromkeys(
        ("new_password", "new_password_confirmation"), "another set of words"
    )
    statuses = [
        student.post("/hub/change-password", {"old_password": f"wrong {i}", **fields}).status_code for i in range(6)
    ]
    assert statuses == [403] * 5 + [429]


def test_a_neighbours_wrong_passwords_do_not_disturb_a_second_click_on_sign_up(visit: Visit, name: str) -> None:
    person = visit()
    if person.address is None:
        pytest.skip("the site is not on this machine: all tests come from one address")
    person.sign_up(name)
    neighbour = visit(person.address)
    assert [neighbour.sign_in(name, f"wrong {i}").status_code for i in range(6)][-1] == 429
    assert person.sign_up(name).url.path == "/hub/waiting"


def test_a_one_time_password_only_allows_the_choice_of_a_new_one(
    visit: Visit, admin: Visitor, student: Visitor, name: str
) -> None:
    password = shown_password(admin.post(f"/hub/change-password/{name}", {}))
    assert not student.is_signed_in, "the session of the old password has ended"
    assert visit().sign_in(name).status_code == 403
    visitor = visit()
    answer = visitor.sign_in(name, f" {password.upper().replace('-', ' ')}")  # as people type what they read
    assert answer.url.path == "/hub/change-password"
    assert not visitor.is_signed_in
    again = visitor.post(str(answer.url), {"new_password": password, "new_password_confirmation": password})
    assert "This is the one-time password" in page_messages(again)
    new = "another set of words"
    answer = visitor.post(str(answer.url), {"new_password": new, "new_password_confirmation": new})
    assert answer.url.path == "/hub/home"
    assert visitor.is_signed_in
    assert visit().sign_in(name, password).status_code == 403


@pytest.mark.attack(53, 92)
def test_a_reset_password_ends_everything_that_the_old_one_opened(
    admin: Visitor, new_student: Callable[[], Server], url: str
) -> None:
    student = new_student()
    student.start()
    api_token = api(student.visitor, "POST", f"users/{student.name}/tokens", {}).json()["token"]
    token = {"Authorization": f"token {api_token}"}
    assert httpx.get(f"{url}/hub/api/user", headers=token).status_code == 200
    with student.kernel() as kernel:
        assert kernel.run("print(1)") == "1\n"
        password = shown_password(admin.post(f"/hub/change-password/{student.name}", {}))
        with pytest.raises(ConnectionClosed):
            kernel.run("print(2)")
    assert student.get("api/contents").status_code == 403
    assert httpx.get(f"{url}/hub/api/user", headers=token).status_code == 403
    assert httpx.get(f"{url}{student.base}api/contents", headers=token).status_code == 403
    again = Server(Visitor(url), student.name)
    answer = again.visitor.sign_in(student.name, password)
    new = "another set of words"
    again.visitor.post(str(answer.url), {"new_password": new, "new_password_confirmation": new})
    again.open()
    assert len(again.get("api/kernels").json()) == 1, "running code goes on"
    again.stop()


def test_a_user_of_the_admin_page_gets_a_password_that_works(visit: Visit, admin: Visitor, name: str) -> None:
    assert api(admin, "POST", f"users/{name}").status_code == 201
    assert visit().sign_in(name, "").status_code == 403
    assert "no password yet" in admin.get("/hub/authorize").text
    password = shown_password(admin.post(f"/hub/change-password/{name}", {}))
    visitor = visit()
    answer = visitor.sign_in(name, password)
    new = "another set of words"
    visitor.post(str(answer.url), {"new_password": new, "new_password_confirmation": new})
    assert visitor.is_signed_in


@pytest.mark.parametrize("typed", ["Bad Name", "ünicode", "a" * 40, "../x"])
def test_the_admin_page_refuses_a_name_that_breaks_the_rule(admin: Visitor, typed: str) -> None:
    assert api(admin, "POST", "users", {"usernames": [typed]}).status_code == 400


def test_a_removed_account_cannot_log_in_and_its_name_is_free(
    visit: Visit, admin: Visitor, student: Visitor, name: str
) -> None:
    assert api(admin, "DELETE", f"users/{name}").status_code == 204
    assert not student.is_signed_in
    assert visit().sign_in(name).status_code == 403
    assert visit().sign_up(name, "somebody else altogether").url.path == "/hub/waiting"
