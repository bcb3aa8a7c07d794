"""Two-factor login: time-based codes of an app (TOTP, RFC 6238), and recovery codes for a lost phone.

The secret is in the database, encrypted as JupyterHub encrypts auth state (`crypt-key`, `jupyterhub.crypto`). Recovery
codes are in it as hashes. A code is accepted once: its time step must be later than that of the last one (RFC 6238,
section 5.2).
"""

from __future__ import annotations

import secrets
import time
from base64 import b32decode, b32encode
from typing import TYPE_CHECKING

from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from jupyterhub.crypto import decrypt, encrypt
from nativeauthenticator.orm import UserInfo
from sqlalchemy import delete, select, update

from classroom.accounts import passwords
from classroom.accounts.errors import AccountError
from classroom.db.models import FailedLogin, RecoveryCode, TwoFactor, utc_now
from classroom.typed_text import tidy_code

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

RECOVERY_CODES = 10
MAX_CODE_CHARACTERS = 32
"""Of the form field; a recovery code has 19."""
COUNTER = "second factor of "
"""Begins the name under which the lockout counts wrong codes; no username contains a space."""

_STEP = 30  # seconds
_DIGITS = 6
_SECRET_BYTES = 20  # RFC 4226 recommends as many as the hash has


def is_on(db: Session, name: str) -> bool:
    """Return whether a login of this account needs a code."""
    row = db.get(TwoFactor, name)
    return row is not None and row.confirmed_at is not None


def names_with(db: Session) -> set[str]:
    """Return the accounts whose login needs a code."""
    return set(db.scalars(select(TwoFactor.name).where(TwoFactor.confirmed_at.is_not(None))))


def codes_left(db: Session, name: str) -> int:
    """Return the number of unused recovery codes."""
    return len(db.scalars(select(RecoveryCode.mark).where(RecoveryCode.name == name)).all())


async def begin(db: Session, name: str) -> str:
    """Return the secret that an app needs (Base32), a new one unless one waits for its first code.

    Raises:
        AccountError: the account has a second factor already.
    """
    row = db.get(TwoFactor, name)
    if row is None:
        secret = b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        row = TwoFactor(name=name, secret=await encrypt(secret))
        db.merge(row)
        db.commit()
    elif row.confirmed_at is not None:
        raise AccountError("Two-factor login is on already. Turn it off first.", 409)
    return await _secret_of(row)


def setup_uri(secret: str, name: str, issuer: str) -> str:
    """Return the address that an app reads from a QR code (`otpauth:`)."""
    return _totp(secret).get_provisioning_uri(name, issuer)


async def confirm(db: Session, name: str, code: str) -> tuple[str, ...]:
    """Turn two-factor login on; return the recovery codes, which the database holds as hashes only.

    Raises:
        AccountError: the code is wrong, or nobody has begun.
    """
    row = db.get(TwoFactor, name)
    if row is None or row.confirmed_at is not None:
        raise AccountError("The page was open for too long, or in another window meanwhile. Load it again.", 409)
    step = matching_step(await _secret_of(row), code, time.time())
    if step is None:
        raise AccountError("This code is incorrect. Check the time of your phone, and type the current code.", 403)
    codes = tuple(passwords.generate_one_time_password() for _ in range(RECOVERY_CODES))
    row.confirmed_at, row.last_step = utc_now(), step
    db.execute(delete(RecoveryCode).where(RecoveryCode.name == name))
    db.add_all(RecoveryCode(name=name, mark=passwords.code_mark(code)) for code in codes)
    # A second factor that came with a stock site's account is replaced.
    db.execute(update(UserInfo).where(UserInfo.username == name).values(has_2fa=False))
    db.commit()
    return codes


async def use_code(db: Session, name: str, code: str) -> str | None:
    """Accept a code once.

    Returns:
        "app" or "recovery", by the kind of the code; None for a wrong or used one.

    Raises:
        AccountError: the secret cannot be decrypted.
    """
    row = db.get(TwoFactor, name)
    if row is None:
        return None
    if not _digits(code):
        used = db.get(RecoveryCode, (name, passwords.code_mark(code)))
        if used is None:
            return None
        db.delete(used)
        db.commit()
        return "recovery"
    step = matching_step(await _secret_of(row), code, time.time())
    if step is None:
        return None
    # Another request may have used the code during the decryption: the database compares and sets at once.
    is_new = update(TwoFactor).where(TwoFactor.name == name, TwoFactor.last_step < step).values(last_step=step)
    accepted = db.scalar(is_new.returning(TwoFactor.name))
    db.commit()
    return "app" if accepted else None


def turn_off(db: Session, name: str) -> bool:
    """Delete the second factor of an account; return whether there was one."""
    was_on = is_on(db, name)
    for table in (TwoFactor, RecoveryCode):
        db.execute(delete(table).where(table.name == name))
    db.execute(update(UserInfo).where(UserInfo.username == name).values(has_2fa=False))
    db.execute(delete(FailedLogin).where(FailedLogin.name == COUNTER + name))
    db.commit()
    return was_on


def matching_step(secret: str, code: str, now: float) -> int | None:
    """Return the time step of a code, of the current one, the one before and the one after; None for a wrong code.

    Args:
        secret: Base32.
        code: as typed.
        now: seconds since 1970.
    """
    typed, totp, current = _digits(code).encode(), _totp(secret), int(now) // _STEP
    steps = [
        step for step in (current - 1, current, current + 1) if bytes_eq(totp.generate(max(0, step) * _STEP), typed)
    ]
    return max(steps, default=None)


def _totp(secret: str) -> TOTP:
    return TOTP(b32decode(secret), _DIGITS, SHA1(), _STEP)  # noqa: S303 - what all apps support, RFC 6238's default


async def _secret_of(row: TwoFactor) -> str:
    try:
        secret: str = await decrypt(row.secret)
    except InvalidToken as error:
        raise AccountError(
            "The code cannot be checked: the hub's crypt-key is another one than before. Tell your instructor.", 503
        ) from error
    return secret


def _digits(code: str) -> str:
    """Return the six digits of an app's code, without blanks and dashes; empty for anything else."""
    digits = tidy_code(code)
    return digits if len(digits) == _DIGITS and digits.isascii() and digits.isdigit() else ""
