"""`ClassroomAuthenticator`: NativeAuthenticator with approval, lockout and one-time passwords.

Its traits: the stock ones `admin_users`, `minimum_password_length`, `allowed_failed_logins`,
`seconds_before_next_try`, `enable_signup`, `open_signup` work as upstream; ours are `address_tries`, `bcrypt_rounds`,
`secrets_dir`, `max_waiting`. The pages are in `classroom.web`.
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

from classroom.accounts import admin_password_file, passwords, service, signup_codes, signup_shares, two_factor
from classroom.accounts.errors import AccountError, NameTakenError
from classroom.accounts.hashing import Hasher
from classroom.accounts.lockout import ANY_ADDRESS, ANY_CODE, DEVICE, Attempt, Lockout
from classroom.accounts.names import MAX_USERNAME, follows_username_rule, new_username
from classroom.addresses import network_of
from classroom.audit import events
from classroom.audit.events import THE_HUB, Action
from classroom.db import migrations
from classroom.errors import ClassroomError
from classroom.typed_text import strip_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyterhub.app import JupyterHub
    from jupyterhub.user import User
    from tornado.web import RequestHandler


class LoginOutcome(Enum):
    """Outcome of a login attempt."""

    OK = "ok"
    WRONG = "wrong"
    LOCKED = "locked"
    WAITING = "waiting"
    REVOKED = "revoked"
    MUST_CHANGE = "must-change"
    NEEDS_CODE = "needs-code"
    """The password is right, and a code is missing."""
    NEEDS_SETUP = "needs-setup"
    """The password is right, and an instructor has to set up two-factor login first."""


class ClassroomAuthenticator(NativeAuthenticator):
    """Authenticator of a class: an instructor approves each account."""

    allow_all = Bool(True, config=True, help="`authenticate` checks the approval of each account.")  # noqa: FBT003
    check_common_password = Bool(True, config=True, help="Refuse common passwords.")  # noqa: FBT003
    minimum_password_length = Integer(10, config=True, help="Minimum number of characters of a new password.")
    allowed_failed_logins = Integer(
        5, config=True, help="Wrong passwords of one name from one address before a lockout; 0: no limit."
    )
    seconds_before_next_try = Integer(600, config=True, help="Duration of a lockout, in seconds.")
    address_tries = Integer(
        100, config=True, help="Wrong passwords from one address, for any name, before a lockout; 0: no limit."
    )
    bcrypt_rounds = Integer(
        12, min=4, max=31, config=True, help="Cost of new password hashes, 4 to 31; each step doubles it."
    )
    forget_server: Callable[[str], None] = staticmethod(lambda _name: None)
    """Deletes what is known of the last server of a student; of the hub."""
    secrets_dir = Unicode("secrets", config=True, help="Directory of the instructors' one-time passwords.")
    max_waiting = Integer(5000, config=True, help="Sign-ups that may wait for approval; addresses share them fairly.")

    two_factor_for_admins = Bool(False, config=True, help="Instructors log in with two factors only.")  # noqa: FBT003

    def __init__(self, **kwargs: object) -> None:
        # Upstream deprecates the shared session, but NativeAuthenticator needs it.
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
        # Accounts of a stock site may have a second factor; the login page then asks for it.
        if self.db.scalar(select(UserInfo.id).where(UserInfo.has_2fa).limit(1)) is not None:
            self.request_otp = True

    def get_handlers(self, app: JupyterHub) -> list[tuple[Any, ...]]:
        """Return no handlers: `classroom.web.routes` has the pages, and upstream's must stay unreachable."""
        del app
        return []

    def normalize_username(self, username: str) -> str:
        """Return a name as upstream, and without what people paste by accident."""
        normalized: str = super().normalize_username(strip_text(username))
        return normalized

    # -- login -----------------------------------------------------------------------------------------------------

    async def authenticate(self, handler: RequestHandler, data: dict[str, Any]) -> str | None:
        """Return the name if it may log in; otherwise None, and set `handler.login_outcome`.

        The login page sets `handler.login_device`, and the page for the second factor `handler.proven_name`.
        """
        name, password = data.get("username"), data.get("password")
        if not isinstance(name, str):
            return None
        name = self.normalize_username(name.strip())
        if getattr(handler, "proven_name", None) == name:
            return name
        if not isinstance(password, str):
            return None
        try:
            # The device is never in `data`, which a request to the API can set.
            address = getattr(handler, "login_device", "") or handler.request.remote_ip or ""
            outcome = await self.check_login(name, password, address, data.get("otp"))
        except AccountError as error:
            raise web.HTTPError(error.status, str(error)) from error
        handler.login_outcome = outcome  # type: ignore[attr-defined]
        return name if outcome is LoginOutcome.OK else None

    async def check_login(
        self, name: str, password: str, address: str, otp: object = None, *, signed_in: bool = False
    ) -> LoginOutcome:
        """Check a name and password. The time is the same for unknown names and for wrong passwords.

        Args:
            name: normalized username.
            password: as typed.
            address: of the client, or the known device, `lockout.DEVICE` and an identifier.
            otp: the second factor, for accounts of a stock site that have one.
            signed_in: the session exists already, so the second factor is not checked again.

        Raises:
            AccountError: too many logins wait for a hash.
        """
        record = service.find_account(self.db, name) if len(name) <= MAX_USERNAME else None
        attempt = self.lockout.begin(name, address, known=record is not None)
        if attempt is None:
            return LoginOutcome.LOCKED
        hashed = None if record is None else record.info.password
        try:
            is_correct = await self.hasher.verify(password, hashed, attempt.origin)
            # Also for an unknown name, so that the time is the same.
            if not is_correct and (tidy := passwords.tidy_one_time_password(password)) != password:
                is_correct = await self.hasher.verify(tidy, hashed, attempt.origin)
        except BaseException:
            self.lockout.cancel(attempt)
            raise
        # Someone may have removed the account or changed its password meanwhile.
        record = service.find_account(self.db, name) if is_correct else None
        if record is None or record.info.password != hashed or not (signed_in or _second_factor(record.info, otp)):
            self._record_failure(name, attempt)
            return LoginOutcome.WRONG
        self.lockout.succeed(attempt)
        if passwords.rounds_of(record.info.password) != self.bcrypt_rounds and not record.account.must_change:
            # The settings changed the cost. A one-time password is about to be replaced anyway.
            await self._rehash(record.info, password)
        if record.state is not service.AccountState.APPROVED:
            is_waiting = record.state is service.AccountState.WAITING
            return LoginOutcome.WAITING if is_waiting else LoginOutcome.REVOKED
        if not signed_in and two_factor.is_on(self.db, name):
            if not isinstance(otp, str) or not otp:
                return LoginOutcome.NEEDS_CODE
            if (outcome := await self.check_code(name, otp, address)) is not LoginOutcome.OK:
                return outcome
        return self.after_second_factor(record, signed_in=signed_in)

    async def check_code(self, name: str, code: str, address: str) -> LoginOutcome:
        """Check a code of an app or a recovery code: OK, WRONG or LOCKED.

        Who gets here knows the password. So the attempts are counted for the account over all addresses, except in
        known devices.

        Args:
            name: of the account.
            code: as typed.
            address: as for `check_login`.

        Raises:
            AccountError: the hub cannot check codes.
        """
        origin = address if address.startswith(DEVICE) else ANY_ADDRESS
        attempt = self.lockout.begin(two_factor.COUNTER + name, origin, known=False)
        if attempt is None:
            return LoginOutcome.LOCKED
        try:
            kind = await two_factor.use_code(self.db, name, code)
        except BaseException:
            self.lockout.cancel(attempt)
            raise
        if kind is None:
            events.record(Action.LOGIN_FAILED, name, detail="code")
            if self.lockout.fail(attempt):
                events.record(Action.LOCKED, name, detail=f"code, for {self.seconds_before_next_try} s")
            return LoginOutcome.WRONG
        self.lockout.succeed(attempt)
        if kind == "recovery":
            events.record(Action.RECOVERY_CODE_USED, name, detail=f"{two_factor.codes_left(self.db, name)} left")
        return LoginOutcome.OK

    def after_second_factor(self, record: service.AccountRecord, *, signed_in: bool = False) -> LoginOutcome:
        """Return what a person has to do after password and code: OK, MUST_CHANGE or NEEDS_SETUP."""
        name = record.account.name
        if record.account.must_change:
            return LoginOutcome.MUST_CHANGE
        if not signed_in and self.requires_two_factor(name) and not two_factor.is_on(self.db, name):
            return LoginOutcome.NEEDS_SETUP
        return LoginOutcome.OK

    def requires_two_factor(self, name: str) -> bool:
        """Return whether the settings require two factors of an account."""
        return self.two_factor_for_admins and name in self.admin_users

    def _record_failure(self, name: str, attempt: Attempt) -> None:
        is_locked = self.lockout.fail(attempt)
        # People type passwords into the field of the name.
        known = name if attempt.address else ""
        events.record(Action.LOGIN_FAILED, known)
        if is_locked:
            events.record(Action.LOCKED, known, detail=f"for {self.seconds_before_next_try} s")

    async def _rehash(self, info: UserInfo, password: str) -> None:
        before = info.password
        hashed = await self.hasher.hash(password)
        if info in self.db and info.password == before:
            info.password = hashed
            self.db.commit()

    def is_admin(self, handler: RequestHandler | None, authentication: dict[str, Any]) -> bool:
        """Return whether the settings name the user as an admin."""
        del handler
        return authentication["name"] in self.admin_users

    async def refresh_user(self, user: User, handler: RequestHandler | None = None) -> bool | dict[str, Any]:
        """Return whether a session is still valid: False after the account was revoked or removed.

        JupyterHub calls this every five minutes. It also takes back admin rights that the settings do not give.
        """
        del handler
        record = service.find_account(self.db, user.name)
        if record is None or not record.info.is_authorized:
            return False
        is_admin = user.name in self.admin_users
        return True if is_admin == user.admin else {"name": user.name, "admin": is_admin}

    # -- accounts --------------------------------------------------------------------------------------------------

    def validate_username(self, username: str) -> bool:
        """Return whether a name is valid: new names follow the rule, existing accounts keep theirs."""
        if follows_username_rule(username):
            return True
        return service.find_account(self.db, username) is not None and super().validate_username(username)

    async def sign_up(
        self, typed_name: str, password: str, full_name: str, *, code: str = "", address: str = ""
    ) -> tuple[str, bool]:
        """Create an account. It waits for approval, unless sign-up is open or the code works.

        Args:
            typed_name: as in the form.
            password: as in the form.
            full_name: as in the form.
            code: a sign-up code; empty without one.
            address: of the client.

        Returns:
            the username, and whether it is approved.

        Raises:
            AccountError: name, password or code are not accepted, or the name is taken.
        """
        if not code and not self.enable_signup:
            raise AccountError("Your instructor creates the accounts of this site, or gives you a sign-up code.", 403)
        name = new_username(typed_name, self.admin_users)
        self.require_good_password(name, password)
        approved = self.open_signup or bool(code)
        origin = network_of(address)
        if not approved:
            signup_shares.require_room(self.db, origin, self.max_waiting)
        if service.find_account(self.db, name) is not None:
            raise NameTakenError(name)
        if code:
            self._check_signup_code(name, code, address)
        hashed = await self.hasher.hash(password, origin)
        # Checked again: another sign-up may have used the name, the code or the room during the hash.
        if service.find_account(self.db, name) is not None:
            raise NameTakenError(name)
        row = signup_codes.find_open_code(self.db, code) if code else None
        by = f"sign-up code {row.hint}…" if row else "open sign-up" if approved else None
        if not approved:
            signup_shares.require_room(self.db, origin, self.max_waiting)
        service.create_account(self.db, name, hashed, full_name=full_name, approved_by=by, code=row, origin=origin)
        signup_shares.make_room(self.db, self.max_waiting)
        events.record(Action.SIGN_UP, name, detail="" if approved else "waits for approval")
        if row is not None:
            events.record(Action.CODE_USED, name, detail=f"number {row.id}")
        return name, approved

    def _check_signup_code(self, name: str, code: str, address: str) -> None:
        # No username contains a space, so this counter is separate. A class behind one address shares one counter.
        attempt = self.lockout.begin(f"code of {name}", address, total=ANY_CODE)
        if attempt is None:
            raise AccountError("Too many wrong sign-up codes. Wait some minutes, then try again.", 429)
        try:
            signup_codes.find_open_code(self.db, code)
        except AccountError as error:
            if error.status == 404:
                self.lockout.fail(attempt)
            else:
                self.lockout.cancel(attempt)
            raise
        self.lockout.succeed(attempt)

    def require_good_password(self, name: str, password: str) -> None:
        """Check a new password.

        Raises:
            AccountError: it is not allowed; the message states why.
        """
        problem = passwords.password_problem(password, username=name, minimum=self.minimum_password_length)
        if problem:
            raise AccountError(problem)

    async def set_one_time_password(self, name: str, chosen: str = "") -> str:
        """Set a password that must be changed at the next login, end the sessions, and return the password.

        Args:
            name: of the account.
            chosen: the password; empty to generate one.

        Raises:
            AccountError: the account does not exist, or the chosen password is not allowed.
        """
        if chosen:
            self.require_good_password(name, chosen)
            password, hashed = chosen, await self.hasher.hash(chosen)
        else:
            password = passwords.generate_one_time_password()
            (hashed,) = await self.hasher.hash_generated([password])
        service.set_password(self.db, name, hashed, must_change=True)
        admin_password_file.delete_admin_password(self.secrets_dir, name)
        events.record(Action.PASSWORD_RESET, name)
        return password

    async def add_user(self, user: User | orm.User) -> None:
        """Create the account of a hub user. The hub calls this for every user at its start and on the admin page.

        An admin of the settings gets a one-time password; a user whom the settings no longer name loses admin rights.
        A user of the admin page has no password until an instructor sets one.
        """
        super().add_user(user)
        if user.name in self.admin_users:
            await self._provision_admin(user.name)
        elif user.admin:
            self.log.warning("%s is not among the admins of the settings and loses admin rights", user.name)
            user.admin = False
            roles.assign_default_roles(self.db, entity=orm.User.find(self.db, user.name))
        if service.find_account(self.db, user.name) is None:
            service.create_account(
                self.db, user.name, passwords.no_password(self.bcrypt_rounds), approved_by="the admin page"
            )
            events.record(Action.ACCOUNT_CREATED, user.name)

    async def _provision_admin(self, name: str) -> None:
        record = service.find_account(self.db, name)
        if record and record.info.is_authorized and not passwords.is_no_password(record.info.password):
            return
        password = passwords.generate_one_time_password()
        try:
            path = admin_password_file.write_admin_password(self.secrets_dir, name, password)
        except (OSError, ClassroomError) as error:
            self.log.error(  # noqa: TRY400
                "%s has no password, and a one-time password cannot be written: %s. Fix this and restart the hub.",
                name,
                error,
            )
            return
        hashed = await self.hasher.hash(password)
        events.record(Action.PASSWORD_RESET, name, by=THE_HUB, detail="an instructor of the settings")
        if record is None:
            service.create_account(self.db, name, hashed, approved_by="the settings", must_change=True)
        else:
            # Someone signed up under this name before the settings named it: that person must not become an admin.
            service.set_password(self.db, name, hashed, must_change=True)
            service.approve_accounts(self.db, [name], "the settings")
        self.log.warning("The one-time password of %s is in %s", name, path)

    def delete_user(self, user: User) -> None:
        """Remove the account and archive its home."""
        service.remove_account(self.db, user.name)
        admin_password_file.delete_admin_password(self.secrets_dir, user.name)
        self.allowed_users.discard(user.name)
        self.forget_server(user.name)
        events.record(Action.REMOVED, user.name)


def _second_factor(info: UserInfo, otp: object) -> bool:
    if not info.has_2fa:
        return True
    return isinstance(otp, str) and bool(info.is_valid_token(otp.strip()))
