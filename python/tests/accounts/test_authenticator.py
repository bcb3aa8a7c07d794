from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING

import bcrypt
import onetimepass
import pytest
from jupyterhub import orm, roles
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.orm import UserInfo

from classroom.accounts import hashing, passwords, service
from classroom.accounts.authenticator import ClassroomAuthenticator, LoginOutcome
from classroom.accounts.errors import AccountError, NameTakenError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.orm import Session

pytestmark = pytest.mark.anyio
PASSWORD = "four plain words here"
HERE, THERE = "192.0.2.1", "192.0.2.2"


def hub_user(db: Session, name: str, *, admin: bool = False) -> orm.User:
    user = orm.User(name=name, admin=admin)
    db.add(user)
    db.commit()
    roles.assign_default_roles(db, entity=user)
    return user


async def test_a_login_has_the_outcome_of_its_account(auth: ClassroomAuthenticator, db: Session) -> None:
    await auth.sign_up("ada", PASSWORD, "")
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.WAITING
    assert await auth.check_login("ada", "wrong", HERE) is LoginOutcome.WRONG
    assert await auth.check_login("nobody", PASSWORD, HERE) is LoginOutcome.WRONG
    service.approve_accounts(db, ["ada"], "teacher")
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.OK
    password = await auth.set_one_time_password("ada")
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.WRONG
    assert await auth.check_login("ada", password, HERE) is LoginOutcome.MUST_CHANGE
    service.revoke_accounts(db, ["ada"], ())
    assert await auth.check_login("ada", password, HERE) is LoginOutcome.REVOKED


async def test_a_locked_out_name_is_refused_without_a_check_of_the_password(
    make: Callable[..., ClassroomAuthenticator],
) -> None:
    auth = make(allowed_failed_logins=2)
    await auth.sign_up("ada", PASSWORD, "")
    for _ in range(2):
        assert await auth.check_login("ada", "wrong", HERE) is LoginOutcome.WRONG
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.LOCKED
    assert await auth.check_login("ada", PASSWORD, "192.0.2.2") is LoginOutcome.WAITING


@pytest.mark.attack(39)
async def test_invented_names_do_not_lock_out_the_class_at_their_address(
    make: Callable[..., ClassroomAuthenticator],
) -> None:
    auth = make(address_tries=5)
    await auth.sign_up("ada", PASSWORD, "")
    for i in range(8):
        assert await auth.check_login(f"invented-{i}", "wrong", HERE) is LoginOutcome.WRONG
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.WAITING


async def test_a_device_in_the_data_of_a_request_does_not_bypass_the_lockout(
    make: Callable[..., ClassroomAuthenticator],
) -> None:
    auth = make(allowed_failed_logins=1)
    await auth.sign_up("ada", PASSWORD, "")
    handler = SimpleNamespace(request=SimpleNamespace(remote_ip=HERE))
    for i in range(2):
        given = {"username": "ada", "password": f"wrong {i}", "device": f"device {i}", "login_device": f"device {i}"}
        assert await auth.authenticate(handler, given) is None
    assert handler.login_outcome is LoginOutcome.LOCKED


async def test_one_of_several_concurrent_sign_ups_wins(auth: ClassroomAuthenticator, db: Session) -> None:
    tries = [auth.sign_up("ada", f"{PASSWORD} {i}", "") for i in range(5)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert answers.count(("ada", False)) == 1
    assert sum(isinstance(answer, NameTakenError) for answer in answers) == 4
    assert db.query(UserInfo).count() == 1


@pytest.mark.parametrize("name", ["teacher", "Teacher", "t3acher", "te.acher"])
async def test_an_instructor_cannot_be_signed_up(auth: ClassroomAuthenticator, name: str) -> None:
    with pytest.raises(AccountError, match="instructors"):
        await auth.sign_up(name, PASSWORD, "")


async def test_open_sign_up_needs_no_approval(make: Callable[..., ClassroomAuthenticator]) -> None:
    auth = make(open_signup=True)
    await auth.sign_up("ada", PASSWORD, "")
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.OK


@pytest.mark.attack(89)
async def test_a_sign_up_is_refused_when_too_many_wait(make: Callable[..., ClassroomAuthenticator]) -> None:
    auth = make(max_waiting=1)
    await auth.sign_up("ada", PASSWORD, "")
    with pytest.raises(AccountError, match="Too many sign-ups"):
        await auth.sign_up("bob", PASSWORD, "")


@pytest.mark.attack(89)
async def test_a_flood_of_sign_ups_leaves_places_for_other_addresses(
    make: Callable[..., ClassroomAuthenticator], db: Session
) -> None:
    auth = make(max_waiting=60)

    async def take_all(address: str) -> int:
        for number in range(61):
            try:
                await auth.sign_up(f"{address.replace('.', '-')}-{number}", PASSWORD, "", address=address)
            except AccountError:
                return number
        return 61

    # A lecture room is one address.
    assert await take_all("192.0.2.1") >= 30
    for attacker in range(12):
        await take_all(f"198.51.100.{attacker}")
    assert service.waiting_count(db) == 60
    await auth.sign_up("ada", PASSWORD, "", address="203.0.113.7")
    # A restarted hub does not know where they came from.
    again = make(max_waiting=60)
    await again.sign_up("bob", PASSWORD, "", address="203.0.113.7")


async def test_an_approved_sign_up_frees_its_place(make: Callable[..., ClassroomAuthenticator], db: Session) -> None:
    auth = make(max_waiting=1)
    await auth.sign_up("ada", PASSWORD, "", address="192.0.2.1")
    with pytest.raises(AccountError, match="Too many sign-ups"):
        await auth.sign_up("bob", PASSWORD, "", address="192.0.2.1")
    service.approve_accounts(db, ("ada",), "teacher")
    await auth.sign_up("bob", PASSWORD, "", address="192.0.2.1")


# -- instructors of the settings


async def test_an_instructor_gets_a_one_time_password_in_a_private_file(
    auth: ClassroomAuthenticator, db: Session, tmp_path: Path
) -> None:
    user = hub_user(db, "teacher", admin=True)
    await auth.add_user(user)
    file = tmp_path / "secrets" / "first-password-teacher"
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    assert await auth.check_login("teacher", password, HERE) is LoginOutcome.MUST_CHANGE
    await auth.add_user(user)  # The next start of the hub.
    assert file.read_text().strip() == password
    assert user.admin


async def test_a_sign_up_under_a_later_instructors_name_gives_no_admin_rights(
    make: Callable[..., ClassroomAuthenticator], db: Session
) -> None:
    await make(admin_users=set()).sign_up("teacher", PASSWORD, "")
    auth = make()
    await auth.add_user(hub_user(db, "teacher", admin=True))
    assert await auth.check_login("teacher", PASSWORD, HERE) is LoginOutcome.WRONG


async def test_a_student_who_becomes_an_instructor_keeps_the_password(
    make: Callable[..., ClassroomAuthenticator], db: Session
) -> None:
    await make(open_signup=True, admin_users=set()).sign_up("teacher", PASSWORD, "")
    auth = make()
    await auth.add_user(orm.User.find(db, "teacher"))
    assert await auth.check_login("teacher", PASSWORD, HERE) is LoginOutcome.OK


async def test_a_user_removed_from_admins_loses_admin_rights(auth: ClassroomAuthenticator, db: Session) -> None:
    user = hub_user(db, "former", admin=True)
    assert "admin" in {role.name for role in user.roles}
    await auth.add_user(user)
    db.commit()
    db.refresh(user)
    assert not user.admin
    assert {role.name for role in user.roles} == {"user"}
    assert auth.is_admin(None, {"name": "teacher"})
    assert not auth.is_admin(None, {"name": "former"})


async def test_an_unwritable_secrets_directory_is_logged_and_creates_no_password(
    make: Callable[..., ClassroomAuthenticator], db: Session, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    auth = make(secrets_dir=str(tmp_path / "file" / "secrets"))
    auth.log.propagate = True
    await auth.add_user(hub_user(db, "teacher", admin=True))
    assert "one-time password cannot be written" in caplog.text
    record = service.find_account(db, "teacher")
    assert record is not None
    assert passwords.is_no_password(record.info.password), "the next start generates the password"


async def test_a_user_of_the_admin_page_has_no_password_until_one_is_given(
    auth: ClassroomAuthenticator, db: Session
) -> None:
    await auth.add_user(hub_user(db, "ada"))
    entry = service.list_accounts(db)[0]
    assert (entry.state, entry.has_password) == (service.AccountState.APPROVED, False)
    for guess in ("", "." * 31, "!"):
        assert await auth.check_login("ada", guess, HERE) is LoginOutcome.WRONG
    assert await auth.check_login("ada", await auth.set_one_time_password("ada"), HERE) is LoginOutcome.MUST_CHANGE


async def test_a_removed_account_is_gone_and_its_session_ends(auth: ClassroomAuthenticator, db: Session) -> None:
    await auth.sign_up("ada", PASSWORD, "")
    service.approve_accounts(db, ["ada"], "teacher")
    user = orm.User.find(db, "ada")
    assert await auth.refresh_user(user) is True
    auth.delete_user(user)
    assert await auth.refresh_user(user) is False
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.WRONG


async def test_admin_rights_from_the_admin_page_are_taken_back(auth: ClassroomAuthenticator, db: Session) -> None:
    await auth.sign_up("ada", PASSWORD, "")
    service.approve_accounts(db, ["ada"], "teacher")
    user = orm.User.find(db, "ada")
    user.admin = True
    assert await auth.refresh_user(user) == {"name": "ada", "admin": False}


# -- accounts of stock NativeAuthenticator


@pytest.mark.parametrize("name", ["ada", "ünicode", "ada@example.org", "_x", "x" * 100])
async def test_an_account_of_stock_keeps_its_name_and_password(
    make: Callable[..., ClassroomAuthenticator], bare_db: Session, name: str
) -> None:
    stock = NativeAuthenticator(_deprecated_db_session=bare_db, open_signup=True)
    assert stock.create_user(name, "short")
    auth = make()
    assert auth.validate_username(name)
    assert await auth.check_login(name, "short", HERE) is LoginOutcome.OK
    assert await auth.check_login(name, "shorT", HERE) is LoginOutcome.WRONG


@pytest.mark.parametrize("name", ["ünicode", "ada@example.org", "", "x" * 33, "a/b"])
def test_a_new_name_that_breaks_the_rule_is_invalid(auth: ClassroomAuthenticator, name: str) -> None:
    assert not auth.validate_username(name)


async def test_stock_accepts_our_password_hashes(auth: ClassroomAuthenticator, bare_db: Session) -> None:
    await auth.sign_up("ada", PASSWORD, "")
    stock = NativeAuthenticator(_deprecated_db_session=bare_db)
    assert stock.get_user("ada").is_valid_password(PASSWORD)
    assert not stock.get_user("ada").is_valid_password("wrong")


async def test_a_stock_account_still_needs_its_second_factor(
    make: Callable[..., ClassroomAuthenticator], bare_db: Session
) -> None:
    stock = NativeAuthenticator(_deprecated_db_session=bare_db, open_signup=True)
    secret = stock.create_user("ada", PASSWORD, has_2fa=True).otp_secret
    auth = make()
    assert auth.request_otp
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.WRONG
    assert await auth.check_login("ada", PASSWORD, HERE, "000000") is LoginOutcome.WRONG
    # The half minute of a code may end during the check, not during two.
    outcomes = [await auth.check_login("ada", PASSWORD, HERE, f"{onetimepass.get_totp(secret):06d}") for _ in range(2)]
    assert LoginOutcome.OK in outcomes


async def test_a_login_replaces_a_hash_of_another_cost(auth: ClassroomAuthenticator, db: Session) -> None:
    service.create_account(db, "ada", bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)), approved_by="teacher")
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.OK
    record = service.find_account(db, "ada")
    assert record is not None
    assert passwords.rounds_of(record.info.password) == 4
    assert await auth.check_login("ada", PASSWORD, HERE) is LoginOutcome.OK


# -- the event loop


async def test_hashing_does_not_block_the_event_loop() -> None:
    hasher = hashing.Hasher(rounds=11)
    work = [asyncio.ensure_future(hasher.verify("wrong", None)) for _ in range(8)]
    turns = 0
    while not all(task.done() for task in work):
        await asyncio.sleep(0.005)
        turns += 1
    assert [task.result() for task in work] == [False] * 8
    assert turns > 5 * len(work)  # a hash in the event loop takes one turn


async def test_logins_are_refused_when_too_many_hashes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MAX_PENDING_HASHES", 2)
    hasher = hashing.Hasher(rounds=4)
    answers = await asyncio.gather(*(hasher.hash("x") for _ in range(4)), return_exceptions=True)
    assert [isinstance(answer, AccountError) for answer in answers] == [False, False, True, True]
    assert await hasher.verify("x", await hasher.hash("x"))


@pytest.mark.attack(76)
async def test_a_login_waits_for_one_hash_of_each_other_client_at_most() -> None:
    hasher = hashing.Hasher(rounds=4)
    done: list[str] = []

    async def verify(client: str) -> None:
        await hasher.verify("wrong", None, client)
        done.append(client)

    flood = [asyncio.ensure_future(verify(client)) for _ in range(80) for client in (HERE, THERE)]
    await asyncio.sleep(0)
    await verify("honest")
    assert len(done) <= 7  # two that ran, one each of the two, two that started with it
    assert done.index("honest") == len(done) - 1
    await asyncio.gather(*flood)
    assert len(done) == 161


@pytest.mark.attack(76)
async def test_one_client_cannot_take_all_waiting_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MAX_PENDING_OF_ONE", 2)
    hasher = hashing.Hasher(rounds=4)
    flood = [asyncio.ensure_future(hasher.hash("x", HERE)) for _ in range(4)]
    await asyncio.sleep(0)
    assert await hasher.hash("x", THERE)
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert [isinstance(answer, AccountError) for answer in answers] == [False, False, True, True]


async def test_a_login_that_is_given_up_leaves_its_slot_to_others() -> None:
    hasher = hashing.Hasher(rounds=4)
    given_up = [asyncio.ensure_future(hasher.verify("wrong", None, HERE)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in given_up[2:]:
        task.cancel()
    assert await hasher.hash("x", HERE)
    await asyncio.gather(*given_up, return_exceptions=True)
    assert await asyncio.gather(*(hasher.verify("wrong", None, HERE) for _ in range(4))) == [False] * 4


def test_the_pool_is_of_two_threads() -> None:
    pool = hashing.Hasher(rounds=4)._pool  # noqa: SLF001
    assert isinstance(pool, ThreadPoolExecutor)
    assert pool._max_workers == 2  # noqa: SLF001
