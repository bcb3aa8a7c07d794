"""`ClassroomAuthenticator`: stock NativeAuthenticator's accounts, with the holes closed.

Its traits, for `configure`: the stock ones `admin_users`, `minimum_password_length`, `allowed_failed_logins`,
`seconds_before_next_try`, `enable_signup`, `open_signup` mean what they say upstream; ours are `address_tries`,
`bcrypt_rounds`, `secrets_dir`, `max_waiting`. The pages are in `classroom.web`.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from jupyterhub import orm, roles
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.orm import UserInfo
from sqlalchemy import select
from tornado import web
from traitlets import Bool, Integer, Unicode

from classroom.accounts import admin_password_file, passwords, service, signup_codes
from classroom.accounts.errors import AccountError, NameTakenError
from classroom.accounts.hashing import Hasher
from classroom.accounts.lockout import Lockout
from classroom.accounts.names import MAX_USERNAME, follows_username_rule, new_username
from classroom.db import migrations

if TYPE_CHECKING:
    from jupyterhub.app import JupyterHub
    from jupyterhub.user import User
    from tornado.web import RequestHandler


class LoginOutcome(Enum):
    """What became of a login; the page chooses its words by it."""

    OK = "ok"
    WRONG = "wrong"
    LOCKED = "locked"
    WAITING = "waiting"
    REVOKED = "revoked"
    MUST_CHANGE = "must-change"


class ClassroomAuthenticator(NativeAuthenticator):
    """Accounts with approval, for a class."""

    allow_all = Bool(True, config=True, help="Whom to let in is decided by approval, in `authenticate`.")  # noqa: FBT003
    check_common_password = Bool(True, config=True, help="Refuse the passwords that everybody uses.")  # noqa: FBT003
    minimum_password_length = Integer(10, config=True, help="Least number of characters of a new password.")
    allowed_failed_logins = Integer(
        5, config=True, help="Wrong passwords of one name from one address before it waits; 0: no limit."
    )
    seconds_before_next_try = Integer(600, config=True, help="How long it waits, in seconds.")
    address_tries = Integer(
        100, config=True, help="Wrong passwords from one address, whatever the name, before it waits; 0: no limit."
    )
    bcrypt_rounds = Integer(
        12, min=4, max=31, config=True, help="Cost of new password hashes, 4 to 31; each step doubles it."
    )
    secrets_dir = Unicode("secrets", config=True, help="Folder for the instructors' one-time passwords.")
    max_waiting = Integer(1000, config=True, help="Sign-ups that may wait for approval; more are turned away.")

    def __init__(self, **kwargs: object) -> None:
        # Upstream warns that the shared session is to go; NativeAuthenticator has no other.
        kwargs.setdefault("db", kwargs.get("_deprecated_db_session"))
        super().__init__(True, **kwargs)  # noqa: FBT003
        migrations.upgrade(self.db.connection())
        self.db.commit()
        service.adopt_stock_accounts(self.db)
        service.refuse_renames()
        self.hasher = Hasher(self.bcrypt_rounds)
        self.lockout = Lockout(
            self.db,
            self.allowed_failed_logins,
            self.address_tries,
            timedelta(seconds=self.seconds_before_next_try),
        )
        # Accounts of a stock site may have a second factor: the login page asks for it if any has.
        if self.db.scalar(select(UserInfo.id).where(UserInfo.has_2fa).limit(1)) is not None:
            self.request_otp = True

    def get_handlers(self, app: JupyterHub) -> list[tuple[Any, ...]]:
        """Return none: `classroom.web.routes` has the pages, and upstream's must not be reached."""
        del app
        return []

    # -- login -----------------------------------------------------------------------------------------------------

    async def authenticate(self, handler: RequestHandler, data: dict[str, Any]) -> str | None:
        """The name, if it may sign in; else None, and the reason as `handler.login_outcome`."""
        name, password = data.get("username"), data.get("password")
        if not isinstance(name, str) or not isinstance(password, str):
            return None
        name = self.normalize_username(name.strip())
        try:
            outcome = await self.check_login(name, password, handler.request.remote_ip or "", data.get("otp"))
        except AccountError as error:
            raise web.HTTPError(error.status, str(error)) from error
        handler.login_outcome = outcome  # type: ignore[attr-defined]
        return name if outcome is LoginOutcome.OK else None

    async def check_login(
        self, name: str, password: str, address: str, otp: object = None, *, signed_in: bool = False
    ) -> LoginOutcome:
        """Look at a name and password. One hash, whether the name is known or not and the password right or not.

        Args:
            name: normalized username.
            password: as typed.
            address: of the client.
            otp: the second factor, for accounts of a stock site that have one.
            signed_in: the second factor was given when this session began.

        Raises:
            AccountError: too many logins at once.
        """
        if not self.lockout.begin(name, address):
            return LoginOutcome.LOCKED
        found = service.find_account(self.db, name) if len(name) <= MAX_USERNAME else None
        hashed = None if found is None else found[0].password
        try:
            right = await self.hasher.verify(password, hashed)
        except BaseException:
            self.lockout.cancel(name, address)
            raise
        # Meanwhile the account may have been removed or have got another password.
        found = service.find_account(self.db, name) if right else None
        if found is None or found[0].password != hashed or not (signed_in or _second_factor(found[0], otp)):
            self.lockout.fail(name, address)
            return LoginOutcome.WRONG
        self.lockout.succeed(name, address)
        info, account = found
        if passwords.rounds_of(info.password) != self.bcrypt_rounds and not account.must_change:
            # Of the cost that the settings ask for now. What must be changed is about to get it anyway.
            await self._hash_again(info, password)
        state = service.state_of(info, account)
        if state is not service.AccountState.APPROVED:
            return LoginOutcome.WAITING if state is service.AccountState.WAITING else LoginOutcome.REVOKED
        return LoginOutcome.MUST_CHANGE if account.must_change else LoginOutcome.OK

    async def _hash_again(self, info: UserInfo, password: str) -> None:
        before = info.password
        hashed = await self.hasher.hash(password)
        if info in self.db and info.password == before:
            info.password = hashed
            self.db.commit()

    def is_admin(self, handler: RequestHandler | None, authentication: dict[str, Any]) -> bool:
        """Admins come from the settings: who is no longer there is none any more."""
        del handler
        return authentication["name"] in self.admin_users

    async def refresh_user(self, user: User, handler: RequestHandler | None = None) -> bool | dict[str, Any]:
        """Whether a session may go on: not when the account was revoked or removed.

        JupyterHub asks every five minutes. An admin made on the admin page, and not by the settings, ends here.
        """
        del handler
        found = service.find_account(self.db, user.name)
        if found is None or not found[0].is_authorized:
            return False
        is_admin = user.name in self.admin_users
        return True if is_admin == user.admin else {"name": user.name, "admin": is_admin}

    # -- accounts --------------------------------------------------------------------------------------------------

    def validate_username(self, username: str) -> bool:
        """New names are strict; accounts that are there already keep theirs."""
        if follows_username_rule(username):
            return True
        return service.find_account(self.db, username) is not None and super().validate_username(username)

    async def sign_up(
        self, typed_name: str, password: str, full_name: str, *, code: str = "", address: str = ""
    ) -> tuple[str, bool]:
        """Make an account that waits for approval, or is approved where sign-up is open or a code is right.

        Args:
            typed_name: as in the form.
            password: as in the form.
            full_name: as in the form.
            code: a sign-up code; empty if the person has none.
            address: of the client.

        Returns:
            the name it got, and whether it is approved.

        Raises:
            AccountError: what is wrong with name, password or code, or the name is taken.
        """
        if not code and not self.enable_signup:
            raise AccountError("Your instructor makes the accounts of this site, or gives out sign-up codes.", 403)
        name = new_username(typed_name, self.admin_users)
        self.require_good_password(name, password)
        approved = self.open_signup or bool(code)
        if not approved and service.waiting_count(self.db) >= self.max_waiting:
            raise AccountError("Too many sign-ups are waiting. Ask your instructor to look at them.", 503)
        if service.find_account(self.db, name) is not None:
            raise NameTakenError(name)
        if code:
            self._check_signup_code(name, code, address)
        hashed = await self.hasher.hash(password)
        # Looked at again: of two who hashed with the same code at the same time one gets it.
        if service.find_account(self.db, name) is not None:
            raise NameTakenError(name)
        found = signup_codes.find_open_code(self.db, code) if code else None
        by = f"sign-up code {found.hint}…" if found else "open sign-up" if approved else None
        service.create_account(self.db, name, hashed, full_name=full_name, approved_by=by, code=found)
        return name, approved

    def _check_signup_code(self, name: str, code: str, address: str) -> None:
        # No account has a name with a space in it: the counters stay apart. A class behind one address shares one.
        guesser = f"code of {name}"
        if not self.lockout.begin(guesser, address):
            raise AccountError("Too many wrong sign-up codes. Wait some minutes, then try again.", 429)
        try:
            signup_codes.find_open_code(self.db, code)
        except AccountError as error:
            if error.status == 404:
                self.lockout.fail(guesser, address)
            else:
                self.lockout.cancel(guesser, address)
            raise
        self.lockout.succeed(guesser, address)

    def require_good_password(self, name: str, password: str) -> None:
        """Raise an AccountError that says what is wrong with a new password, if something is."""
        wrong = passwords.password_problem(password, username=name, minimum=self.minimum_password_length)
        if wrong:
            raise AccountError(wrong)

    async def set_one_time_password(self, name: str, chosen: str = "") -> str:
        """A new password for an account, to be changed at the next login; its sessions end.

        Args:
            name: of the account.
            chosen: the password; one is made if it is empty.

        Raises:
            AccountError: there is no such account, or the chosen password is not good enough.
        """
        if chosen:
            self.require_good_password(name, chosen)
        if chosen:
            password, hashed = chosen, await self.hasher.hash(chosen)
        else:
            password = passwords.generate_one_time_password()
            (hashed,) = await self.hasher.hash_generated([password])
        service.set_password(self.db, name, hashed, must_change=True)
        admin_password_file.delete_admin_password(self.secrets_dir, name)
        return password

    async def add_user(self, user: User | orm.User) -> None:
        """Called for every user at the hub's start, and for each that the admin page makes.

        An admin of the settings gets an account with a one-time password; whoever is no longer in the settings is no
        admin. A user of the admin page gets an account that has no password until an instructor gives it one.
        """
        super().add_user(user)
        if user.name in self.admin_users:
            await self._provision_admin(user.name)
        elif user.admin:
            self.log.warning("%s is not among the admins of the settings and is no admin any more", user.name)
            user.admin = False
            roles.assign_default_roles(self.db, entity=orm.User.find(self.db, user.name))
        if service.find_account(self.db, user.name) is None:
            service.create_account(
                self.db, user.name, passwords.no_password(self.bcrypt_rounds), approved_by="the admin page"
            )

    async def _provision_admin(self, name: str) -> None:
        found = service.find_account(self.db, name)
        if found is not None and found[0].is_authorized and not passwords.is_no_password(found[0].password):
            return
        password = passwords.generate_one_time_password()
        try:
            path = admin_password_file.write_admin_password(self.secrets_dir, name, password)
        except OSError as error:
            self.log.error(  # noqa: TRY400
                "%s has no password, and a one-time password cannot be written: %s. Mend that and restart the hub.",
                name,
                error,
            )
            return
        hashed = await self.hasher.hash(password)
        if found is None:
            service.create_account(self.db, name, hashed, approved_by="the settings", must_change=True)
        else:
            # Signed up by someone, and approved by nobody, before the settings named it: not theirs any more.
            service.set_password(self.db, name, hashed, must_change=True)
            service.approve_accounts(self.db, [name], "the settings")
        self.log.warning("The one-time password of %s is in %s", name, path)

    def delete_user(self, user: User) -> None:
        """Remove the account and set its home aside."""
        service.remove_account(self.db, user.name)
        admin_password_file.delete_admin_password(self.secrets_dir, user.name)
        self.allowed_users.discard(user.name)


def _second_factor(info: UserInfo, otp: object) -> bool:
    if not info.has_2fa:
        return True
    return isinstance(otp, str) and bool(info.is_valid_token(otp.strip()))
