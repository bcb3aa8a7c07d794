from __future__ import annotations

import asyncio
import time
from base64 import b32decode, b32encode
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from jupyterhub.crypto import CryptKeeper
from nativeauthenticator.orm import UserInfo
from sqlalchemy import text

from classroom.accounts import passwords, service, two_factor
from classroom.accounts.authenticator import ClassroomAuthenticator, LoginOutcome
from classroom.accounts.errors import AccountError
from classroom.accounts.lockout import DEVICE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PASSWORD = "four plain words here"
NOW = 1_700_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    keeper = CryptKeeper.instance()
    before, keeper.keys = keeper.keys, [b"ab" * 32]
    monkeypatch.setattr(time, "time", lambda: NOW)
    yield lambda seconds: monkeypatch.setattr(time, "time", lambda: NOW + seconds)
    keeper.keys = before


def code(secret: str, when: float = NOW) -> str:
    return TOTP(b32decode(secret), 6, SHA1(), 30).generate(int(when)).decode()  # noqa: S303 - as apps do


@pytest.fixture
def person(db: Session) -> str:
    service.create_account(db, "ada", passwords.hash_password(PASSWORD, 4), approved_by="the command line")
    return "ada"


def turned_on(db: Session, name: str) -> tuple[str, tuple[str, ...]]:
    secret = asyncio.run(two_factor.begin(db, name))
    return secret, asyncio.run(two_factor.confirm(db, name, code(secret, NOW - 60 + 30)))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    # Its appendix B, the last six digits.
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_codes_are_those_of_rfc_6238(seconds: int, expected: str) -> None:
    secret = b32encode(b"12345678901234567890").decode()
    assert two_factor.matching_step(secret, expected, seconds) == seconds // 30


@pytest.mark.parametrize(("late", "accepted"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_differ_by_one_step(late: int, accepted: bool) -> None:  # noqa: FBT001
    secret = b32encode(b"12345678901234567890").decode()
    assert (two_factor.matching_step(secret, code(secret), NOW + late) is not None) == accepted


@pytest.mark.attack(97)
def test_a_code_is_accepted_once_and_no_earlier_one_after_it(db: Session, person: str) -> None:
    secret, _ = turned_on(db, person)
    current = code(secret)
    assert asyncio.run(two_factor.use_code(db, person, f"{current[:3]} {current[3:]}")) == "app"
    assert asyncio.run(two_factor.use_code(db, person, current)) is None
    assert asyncio.run(two_factor.use_code(db, person, code(secret, NOW - 30))) is None
    assert asyncio.run(two_factor.use_code(db, person, code(secret, NOW + 30))) == "app"


@pytest.mark.attack(97)
def test_of_two_requests_with_one_code_only_one_is_accepted(db: Session, person: str) -> None:
    secret, _ = turned_on(db, person)

    async def both() -> list[str | None]:
        return list(await asyncio.gather(*(two_factor.use_code(db, person, code(secret)) for _ in range(2))))

    assert sorted(asyncio.run(both()), key=str) == [None, "app"]


def test_the_code_that_confirmed_does_not_log_in(db: Session, person: str) -> None:
    secret, _ = turned_on(db, person)
    assert asyncio.run(two_factor.use_code(db, person, code(secret, NOW - 30))) is None


def test_a_recovery_code_works_once_however_it_is_typed(db: Session, person: str) -> None:
    _, codes = turned_on(db, person)
    assert len(set(codes)) == 10
    assert asyncio.run(two_factor.use_code(db, person, codes[3].upper().replace("-", " "))) == "recovery"
    assert asyncio.run(two_factor.use_code(db, person, codes[3])) is None
    assert two_factor.codes_left(db, person) == 9


def test_the_database_holds_neither_secret_nor_codes(db: Session, person: str) -> None:
    secret, codes = turned_on(db, person)
    rows = str(db.execute(text("SELECT * FROM classroom_two_factor")).all())
    rows += str(db.execute(text("SELECT * FROM classroom_recovery_codes")).all())
    assert secret not in rows
    assert not any(part in rows for recovery in codes for part in (recovery, recovery.replace("-", "")))


def test_another_crypt_key_refuses_and_says_why(db: Session, person: str) -> None:
    secret, _ = turned_on(db, person)
    CryptKeeper.instance().keys = [b"cd" * 32]
    with pytest.raises(AccountError, match="crypt-key"):
        asyncio.run(two_factor.use_code(db, person, code(secret)))


def test_a_new_key_in_front_still_reads_the_old_secrets(db: Session, person: str) -> None:
    secret, _ = turned_on(db, person)
    CryptKeeper.instance().keys = [b"cd" * 32, b"ab" * 32]
    assert asyncio.run(two_factor.use_code(db, person, code(secret))) == "app"


def test_a_login_asks_for_the_code_after_the_right_password_only(
    auth: ClassroomAuthenticator, db: Session, person: str
) -> None:
    secret, _ = turned_on(db, person)

    def login(password: str, otp: str = "") -> LoginOutcome:
        return asyncio.run(auth.check_login(person, password, "192.0.2.1", otp))

    assert login("wrong") is LoginOutcome.WRONG
    assert login(PASSWORD) is LoginOutcome.NEEDS_CODE
    assert login(PASSWORD, "000000") is LoginOutcome.WRONG
    assert login("wrong", code(secret)) is LoginOutcome.WRONG
    assert login(PASSWORD, code(secret)) is LoginOutcome.OK


def test_wrong_codes_are_counted_over_all_addresses_and_apart_in_a_known_device(
    auth: ClassroomAuthenticator, db: Session, person: str
) -> None:
    secret, _ = turned_on(db, person)

    def outcome(typed: str, address: str) -> LoginOutcome:
        return asyncio.run(auth.check_code(person, typed, address))

    wrong = [outcome("000000", f"192.0.2.{i}") for i in range(6)]
    assert wrong == [LoginOutcome.WRONG] * 5 + [LoginOutcome.LOCKED]
    assert outcome(code(secret), "192.0.2.99") is LoginOutcome.LOCKED
    assert outcome(code(secret), DEVICE + "a") is LoginOutcome.OK
    two_factor.turn_off(db, person)
    assert outcome("000000", "192.0.2.1") is LoginOutcome.WRONG


def test_a_one_time_password_alone_does_not_replace_the_second_factor(
    auth: ClassroomAuthenticator, db: Session, person: str
) -> None:
    turned_on(db, person)
    password = asyncio.run(auth.set_one_time_password(person))
    assert asyncio.run(auth.check_login(person, password, "")) is LoginOutcome.NEEDS_CODE


@pytest.mark.parametrize(("required", "expected"), [(True, LoginOutcome.NEEDS_SETUP), (False, LoginOutcome.OK)])
def test_the_settings_make_instructors_set_it_up(
    make: Callable[..., ClassroomAuthenticator],
    bare_db: Session,
    required: bool,  # noqa: FBT001
    expected: LoginOutcome,
) -> None:
    auth = make(two_factor_for_admins=required)
    for name in ("teacher", "ada"):
        service.create_account(bare_db, name, passwords.hash_password(PASSWORD, 4), approved_by="the settings")
    assert asyncio.run(auth.check_login("teacher", PASSWORD, "")) is expected
    assert asyncio.run(auth.check_login("teacher", PASSWORD, "", signed_in=True)) is LoginOutcome.OK
    assert asyncio.run(auth.check_login("ada", PASSWORD, "")) is LoginOutcome.OK


def test_a_later_account_of_the_same_name_has_no_second_factor(db: Session, person: str) -> None:
    turned_on(db, person)
    service.remove_account(db, person)
    assert not two_factor.is_on(db, person)
    assert two_factor.codes_left(db, person) == 0


def test_an_account_that_vanished_under_stock_leaves_no_second_factor(db: Session, person: str) -> None:
    turned_on(db, person)
    db.query(UserInfo).filter_by(username=person).delete()
    db.commit()
    service.adopt_stock_accounts(db)
    assert not two_factor.is_on(db, person)
