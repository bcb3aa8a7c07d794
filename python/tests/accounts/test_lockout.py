from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from classroom.accounts import lockout as module
from classroom.accounts.lockout import ANY_CODE, DEVICE, Lockout
from classroom.db.models import FailedLogin, utc_now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def lockout(db: Session) -> Lockout:
    return Lockout(db, tries=3, address_tries=10, duration=timedelta(minutes=10))


def fail(lockout: Lockout, name: str, address: str, times: int = 1, **options: Any) -> None:
    for _ in range(times):
        attempt = lockout.begin(name, address, **options)
        assert attempt
        lockout.fail(attempt)


def may(lockout: Lockout, name: str, address: str) -> bool:
    attempt = lockout.begin(name, address)
    if attempt:
        lockout.cancel(attempt)
    return attempt is not None


def rows(db: Session) -> int:
    return db.scalar(select(func.count()).select_from(FailedLogin)) or 0


def test_a_name_is_locked_out_only_at_the_address_of_the_guesses(lockout: Lockout) -> None:
    fail(lockout, "ada", HERE, 3)
    assert not may(lockout, "ada", HERE)
    assert may(lockout, "ada", THERE)
    assert may(lockout, "bob", HERE)


def test_an_address_is_locked_out_after_many_more_failures(lockout: Lockout) -> None:
    for i in range(10):
        fail(lockout, f"guess-{i}", HERE)
    assert not may(lockout, "bob", HERE)
    assert may(lockout, "bob", THERE)


@pytest.mark.attack(39)
def test_invented_names_do_not_lock_out_the_address(lockout: Lockout) -> None:
    for i in range(40):
        fail(lockout, f"invented-{i}", HERE, known=False)
    assert may(lockout, "bob", HERE)
    running = [lockout.begin(f"invented-{i}-now", HERE, known=False) for i in range(40)]
    assert all(running)
    assert may(lockout, "bob", HERE)


def test_a_locked_address_gives_the_same_answer_to_names_without_an_account(lockout: Lockout) -> None:
    for i in range(10):
        fail(lockout, f"guess-{i}", HERE)
    assert lockout.begin("invented", HERE, known=False) is None


@pytest.mark.attack(38)
def test_wrong_passwords_from_its_address_do_not_lock_out_a_known_device(lockout: Lockout) -> None:
    fail(lockout, "ada", HERE, 3)
    for i in range(7):
        fail(lockout, f"guess-{i}", HERE)
    assert not may(lockout, "ada", HERE)
    assert may(lockout, "ada", f"{DEVICE}laptop")


def test_guesses_on_a_known_device_lock_it_out_for_that_name_only(lockout: Lockout) -> None:
    fail(lockout, "ada", f"{DEVICE}laptop", 3)
    assert not may(lockout, "ada", f"{DEVICE}laptop")
    assert may(lockout, "ada", HERE)
    assert may(lockout, "bob", f"{DEVICE}laptop")


def test_guesses_of_sign_up_codes_do_not_lock_out_logins(lockout: Lockout) -> None:
    for i in range(10):
        fail(lockout, f"code of guess-{i}", HERE, total=ANY_CODE)
    assert lockout.begin("code of bob", HERE, total=ANY_CODE) is None
    assert may(lockout, "bob", HERE)


def test_thirty_right_logins_from_one_address_cause_no_lockout(lockout: Lockout, db: Session) -> None:
    for i in range(30):
        attempt = lockout.begin(f"student-{i}", HERE)
        assert attempt
        lockout.succeed(attempt)
    assert may(lockout, "student-0", HERE)
    assert rows(db) == 0


def test_concurrent_attempts_count_from_their_start(lockout: Lockout) -> None:
    attempts = [lockout.begin("ada", HERE) for _ in range(5)]
    assert attempts[3:] == [None, None]
    for attempt in attempts[:3]:
        assert attempt
        lockout.fail(attempt)
    assert not may(lockout, "ada", HERE)


def test_a_right_password_clears_the_pair_but_not_the_address(lockout: Lockout, db: Session) -> None:
    fail(lockout, "ada", HERE, 2)
    attempt = lockout.begin("ada", HERE)
    assert attempt
    lockout.succeed(attempt)
    fail(lockout, "ada", HERE, 2)
    assert may(lockout, "ada", HERE)
    assert db.get_one(FailedLogin, ("", HERE)).count == 4


def test_a_lockout_expires_and_the_count_restarts(lockout: Lockout, db: Session) -> None:
    fail(lockout, "ada", HERE, 3)
    db.execute(update(FailedLogin).values(expires=utc_now() - timedelta(seconds=1)))
    assert may(lockout, "ada", HERE)
    fail(lockout, "ada", HERE, 1)
    assert db.get_one(FailedLogin, ("ada", HERE)).count == 1


def test_a_lockout_survives_a_restart(lockout: Lockout, db: Session) -> None:
    fail(lockout, "ada", HERE, 3)
    db.expire_all()
    again = Lockout(db, tries=3, address_tries=10, duration=timedelta(minutes=10))
    assert not may(again, "ada", HERE)


def test_an_instructor_can_end_a_lockout(lockout: Lockout) -> None:
    fail(lockout, "ada", HERE, 3)
    lockout.forget("ada")
    assert may(lockout, "ada", HERE)


def test_expired_failures_are_deleted(lockout: Lockout, db: Session) -> None:
    fail(lockout, "ada", HERE)
    db.execute(update(FailedLogin).values(expires=utc_now() - timedelta(seconds=1)))
    fail(lockout, "bob", THERE)
    assert rows(db) == 2


def test_a_flood_of_names_and_addresses_does_not_grow_the_table(
    lockout: Lockout, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FAILED_LOGINS", 50)
    for i in range(100):
        fail(lockout, f"name-{i}" * 50, f"192.0.2.{i}")
    assert rows(db) <= 52


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("no address", "no address", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_ipv6_network_counts_as_one_address(lockout: Lockout, one: str, other: str, *, same: bool) -> None:
    fail(lockout, "ada", one, 3)
    assert may(lockout, "ada", other) is not same


def test_zero_means_no_limit(db: Session) -> None:
    lockout = Lockout(db, tries=0, address_tries=0, duration=timedelta(minutes=10))
    fail(lockout, "ada", HERE, 20)
    assert may(lockout, "ada", HERE)


def test_failures_count_while_the_database_is_full_and_expire_as_others(
    db: Session, lockout: Lockout, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.connection().exec_driver_sql("PRAGMA max_page_count = 1")  # no more than now
    with contextlib.suppress(OperationalError):
        for number in range(10_000):
            fail(lockout, f"filler-{number}", f"10.0.{number // 250}.{number % 250}")
    for _ in range(3):
        assert may(lockout, "ada", HERE)
        with pytest.raises(OperationalError, match="full"):
            fail(lockout, "ada", HERE)
    assert not may(lockout, "ada", HERE)
    monkeypatch.setattr(module, "utc_now", lambda: utc_now() + timedelta(minutes=11))
    assert may(lockout, "ada", HERE)
