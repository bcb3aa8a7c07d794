from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from nativeauthenticator.orm import UserInfo

from classroom.accounts import service, signup_shares
from classroom.accounts.authenticator import ClassroomAuthenticator
from classroom.accounts.errors import AccountError
from classroom.db.models import Account

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PASSWORD = "four plain words here"
CLASSROOM = "203.0.113.7"
LIMIT = 60  # of 5,000 that may wait

pytestmark = [pytest.mark.anyio, pytest.mark.attack(89)]


@pytest.fixture
def auth(make: Callable[..., ClassroomAuthenticator]) -> ClassroomAuthenticator:
    return make(max_waiting=LIMIT)


async def sign_up(auth: ClassroomAuthenticator, prefix: str, count: int, address: str) -> int:
    """Return how many sign-ups were taken."""
    for number in range(count):
        try:
            await auth.sign_up(f"{prefix}-{number}", PASSWORD, "", address=address)
        except AccountError:
            return number
    return count


async def flood(auth: ClassroomAuthenticator, addresses: list[str], each: int, prefix: str = "x") -> None:
    for number, address in enumerate(addresses):
        await sign_up(auth, f"{prefix}{number}", each, address)


async def test_a_lecture_behind_one_address_may_take_all_the_room(auth: ClassroomAuthenticator, db: Session) -> None:
    assert await sign_up(auth, "s", LIMIT + 1, CLASSROOM) == LIMIT
    assert signup_shares.counts_by_origin(db) == {CLASSROOM: LIMIT}


async def test_a_flood_from_a_dozen_addresses_neither_keeps_a_class_out_nor_pushes_it_out(
    auth: ClassroomAuthenticator, db: Session
) -> None:
    attackers = [f"198.51.100.{number}" for number in range(12)]
    await flood(auth, attackers, LIMIT)
    assert service.waiting_count(db) == LIMIT
    # As a class of 300 where 5,000 may wait.
    assert await sign_up(auth, "s", 4, CLASSROOM) == 4
    await flood(auth, attackers, 2, prefix="y")
    assert signup_shares.counts_by_origin(db)[CLASSROOM] == 4
    assert service.waiting_count(db) == LIMIT
    assert max(signup_shares.counts_by_origin(db).values()) <= 5


async def test_those_who_came_first_stay(auth: ClassroomAuthenticator, db: Session) -> None:
    await sign_up(auth, "s", LIMIT, "198.51.100.1")
    await auth.sign_up("ada", PASSWORD, "", address=CLASSROOM)
    assert service.find_account(db, "s-0") is not None
    assert service.find_account(db, f"s-{LIMIT - 1}") is None
    assert db.query(UserInfo).count() == LIMIT


async def test_the_households_of_one_ipv6_site_have_one_share(auth: ClassroomAuthenticator, db: Session) -> None:
    await flood(auth, [f"2001:db8:1:{number:x}::1" for number in range(LIMIT)], 1)
    assert await sign_up(auth, "s", 10, CLASSROOM) == 10
    assert await sign_up(auth, "t", 10, "2001:db8:2::7") == 10
    assert signup_shares.counts_by_origin(db)["2001:db8:2::/64"] == 10


async def test_one_household_of_a_site_leaves_room_for_the_others(auth: ClassroomAuthenticator, db: Session) -> None:
    await sign_up(auth, "x", LIMIT, "2001:db8:1:1::1")
    assert await sign_up(auth, "s", 20, "2001:db8:1:2::1") == 20
    assert signup_shares.counts_by_origin(db)["2001:db8:1:2::/64"] == 20


async def test_a_restart_of_the_hub_does_not_begin_the_shares_again(
    make: Callable[..., ClassroomAuthenticator], auth: ClassroomAuthenticator
) -> None:
    await sign_up(auth, "x", LIMIT, "198.51.100.1")
    again = make(max_waiting=LIMIT)
    with pytest.raises(AccountError, match="Too many sign-ups"):
        await again.sign_up("ben", PASSWORD, "", address="198.51.100.1")
    await again.sign_up("ada", PASSWORD, "", address=CLASSROOM)


async def test_an_approved_account_takes_no_room_and_its_address_is_forgotten(
    auth: ClassroomAuthenticator, db: Session
) -> None:
    await sign_up(auth, "s", LIMIT, CLASSROOM)
    service.approve_accounts(db, ["s-0"], "teacher")
    record = service.find_account(db, "s-0")
    assert record is not None
    assert record.account.origin == ""
    await auth.sign_up("ada", PASSWORD, "", address=CLASSROOM)


async def test_all_from_an_address_are_rejected_and_nobody_else(auth: ClassroomAuthenticator, db: Session) -> None:
    await sign_up(auth, "x", 3, "198.51.100.1")
    await sign_up(auth, "s", 2, CLASSROOM)
    service.approve_accounts(db, ["x-1"], "teacher")
    assert signup_shares.reject_from(db, "198.51.100.1") == ("x-0", "x-2")
    assert signup_shares.reject_from(db, "198.51.100.1") == ()
    assert sorted(account.name for account in service.list_accounts(db)) == ["s-0", "s-1", "x-1"]


async def test_rejecting_a_flood_takes_less_than_a_second(db: Session) -> None:
    for number in range(5000):
        name = f"x-{number}"
        db.add(Account(name=name, origin="198.51.100.1"))
        db.add(UserInfo(username=name, password=b"x", is_authorized=False))
    db.commit()
    start = time.perf_counter()
    assert len(signup_shares.reject_from(db, "198.51.100.1")) == 5000
    assert time.perf_counter() - start < 1
    assert service.waiting_count(db) == 0
