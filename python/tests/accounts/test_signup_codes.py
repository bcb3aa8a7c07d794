from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from jupyterhub import orm
from sqlalchemy import select

from classroom.accounts import service, signup_codes
from classroom.accounts.errors import AccountError, NameTakenError
from classroom.accounts.signup_codes import CodeState
from classroom.db.models import SignUpCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from classroom.accounts.authenticator import ClassroomAuthenticator

pytestmark = pytest.mark.anyio

PASSWORD = "four plain words here"
HERE = "192.0.2.1"
WEEK = timedelta(days=7)


def states(db: Session) -> list[CodeState]:
    return [signup_codes.code_state(code) for code in signup_codes.list_codes(db)]


@pytest.mark.parametrize("typed", [str, str.upper, lambda code: code.replace("-", " "), lambda code: f" {code} "])
def test_a_code_works_in_any_spelling_and_is_not_stored(db: Session, typed: Callable[[str], str]) -> None:
    (code,) = signup_codes.create_codes(db, 1, WEEK, by="teacher")
    assert signup_codes.find_open_code(db, typed(code)).hint == code[:4]
    assert code not in str([vars(row) for row in db.scalars(select(SignUpCode))])


def test_a_refused_code_gives_the_reason(db: Session) -> None:
    (expired,) = signup_codes.create_codes(db, 1, timedelta(0), by="teacher")
    (revoked,) = signup_codes.create_codes(db, 1, WEEK, by="teacher")
    assert signup_codes.revoke_codes(db, None) == 1
    for code, message in ((expired, "has expired"), (revoked, "no longer valid"), ("abcd", "is incorrect")):
        with pytest.raises(AccountError, match=message):
            signup_codes.find_open_code(db, code)
    assert states(db) == [CodeState.EXPIRED, CodeState.REVOKED]
    assert not signup_codes.any_open_code(db)
    assert signup_codes.delete_spent_codes(db) == 2
    assert signup_codes.list_codes(db) == []


def test_only_the_codes_named_are_revoked(db: Session) -> None:
    signup_codes.create_codes(db, 3, WEEK, by="teacher")
    assert signup_codes.revoke_codes(db, [2, 99]) == 1
    assert states(db) == [CodeState.OPEN, CodeState.REVOKED, CodeState.OPEN]


async def test_a_code_approves_one_sign_up_and_adds_it_to_the_group(auth: ClassroomAuthenticator, db: Session) -> None:
    (code,) = signup_codes.create_codes(db, 1, WEEK, by="teacher", group="ml")
    assert await auth.sign_up("ada", PASSWORD, "", code=code, address=HERE) == ("ada", True)
    assert [user.name for user in orm.Group.find(db, "ml").users] == ["ada"]
    [row] = signup_codes.list_codes(db)
    assert (signup_codes.code_state(row), row.used_by) == (CodeState.USED, "ada")
    with pytest.raises(AccountError, match="used already"):
        await auth.sign_up("bob", PASSWORD, "", code=code, address=HERE)
    with pytest.raises(NameTakenError):
        await auth.sign_up("ada", PASSWORD, "", code=code, address=HERE)


@pytest.mark.attack(90)
async def test_one_of_two_concurrent_sign_ups_gets_the_code(auth: ClassroomAuthenticator, db: Session) -> None:
    (code,) = signup_codes.create_codes(db, 1, WEEK, by="teacher")
    tries = [auth.sign_up(name, PASSWORD, "", code=code, address=HERE) for name in ("ada", "bob")]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, tuple) for answer in answers) == 1
    assert len(service.list_accounts(db)) == 1


async def test_a_bad_password_does_not_use_the_code_up(auth: ClassroomAuthenticator, db: Session) -> None:
    (code,) = signup_codes.create_codes(db, 1, WEEK, by="teacher")
    with pytest.raises(AccountError, match="too short"):
        await auth.sign_up("ada", "short", "", code=code, address=HERE)
    assert states(db) == [CodeState.OPEN]


@pytest.mark.attack(90)
async def test_guesses_are_counted_by_name_and_address(auth: ClassroomAuthenticator, db: Session) -> None:
    (code,) = signup_codes.create_codes(db, 1, WEEK, by="teacher")
    for _ in range(5):
        with pytest.raises(AccountError, match="is incorrect"):
            await auth.sign_up("ada", PASSWORD, "", code="guess", address=HERE)
    with pytest.raises(AccountError, match="Too many wrong sign-up codes") as raised:
        await auth.sign_up("ada", PASSWORD, "", code=code, address=HERE)
    assert raised.value.status == 429
    assert await auth.sign_up("bob", PASSWORD, "", code=code, address=HERE) == ("bob", True)


@pytest.mark.attack(89)
async def test_a_code_works_while_sign_up_is_off(make: Callable[..., ClassroomAuthenticator]) -> None:
    auth = make(enable_signup=False)
    (code,) = signup_codes.create_codes(auth.db, 1, WEEK, by="teacher")
    with pytest.raises(AccountError, match="gives you a sign-up code"):
        await auth.sign_up("ada", PASSWORD, "")
    assert await auth.sign_up("ada", PASSWORD, "", code=code, address=HERE) == ("ada", True)
