"""ORM models of our tables in the hub's database, next to stock NativeAuthenticator's `users_info`.

`users_info` decides about password and approval, so that a rollback to stock works; these tables hold what stock has no
column for. Times are UTC without a zone, as in JupyterHub's own tables. `migrations` creates and changes the tables.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def utc_now() -> datetime:
    """Return the current time in UTC without a zone, as these tables hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """Base of our tables, with its own metadata: JupyterHub must neither create nor check them."""


class Account(Base):
    """Data of an account that stock's `users_info` has no column for."""

    __tablename__ = "classroom_accounts"
    __table_args__ = (UniqueConstraint("name", name="uq_classroom_accounts_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    """The normalized (lower-case) username. Unique: of two racing sign-ups one wins."""
    full_name: Mapped[str] = mapped_column(String(100), default="")
    created: Mapped[datetime] = mapped_column(default=utc_now)
    """When the person signed up, or the account was seen for the first time."""
    must_change: Mapped[bool] = mapped_column(default=False)
    """The password is a one-time password."""
    approved_by: Mapped[str | None] = mapped_column(String(128))
    approved_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    origin: Mapped[str] = mapped_column(String(64), default="")
    """Address or IPv6 network of a sign-up, while it waits (`classroom.accounts.signup_shares`)."""


class TwoFactor(Base):
    """The second factor of an account (`classroom.accounts.two_factor`)."""

    __tablename__ = "classroom_two_factor"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    secret: Mapped[bytes]
    """Encrypted with the hub's `crypt-key`."""
    confirmed_at: Mapped[datetime | None]
    """Since when a login asks for it; None until the person has typed a first code."""
    last_step: Mapped[int] = mapped_column(default=0)
    """The time step of the last accepted code: no code is accepted twice."""


class RecoveryCode(Base):
    """An unused recovery code of an account with a second factor."""

    __tablename__ = "classroom_recovery_codes"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    mark: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the code. The code has 79 bits, so nobody can find it from this."""


class FailedLogin(Base):
    """Failed logins of one name from one address; `name` is empty in the row of the address alone."""

    __tablename__ = "classroom_failed_logins"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    expires: Mapped[datetime] = mapped_column(index=True)
    """When the row stops counting: the lockout's duration after the last failure."""


class Home(Base):
    """The location of an account's files. A removed account's row is archived, and its location is never used again."""

    __tablename__ = "classroom_homes"
    __table_args__ = (UniqueConstraint("location", name="uq_classroom_homes_location"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(255), index=True)
    location: Mapped[str] = mapped_column(String(255))
    created: Mapped[datetime] = mapped_column(default=utc_now)
    archived_at: Mapped[datetime | None]


class QueueRow(Base):
    """A student in the queue for a GPU; the lowest `id` is first (`classroom.gpus.queue`)."""

    __tablename__ = "classroom_line"
    __table_args__ = (UniqueConstraint("name", name="uq_classroom_line_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    joined: Mapped[datetime] = mapped_column(default=utc_now)
    offered: Mapped[datetime | None]
    """Since when a GPU is offered to the student."""


class AutostartRow(Base):
    """A server that the hub started for a queued student who has not opened it (`classroom.gpus.autostart`)."""

    __tablename__ = "classroom_offers"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    made: Mapped[datetime] = mapped_column(default=utc_now)
    """When it was started."""


class SignUpCode(Base):
    """A code for signing up without waiting for approval (`classroom.accounts.signup_codes`)."""

    __tablename__ = "classroom_codes"
    __table_args__ = (UniqueConstraint("mark", name="uq_classroom_codes_mark"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the code. The code has 79 bits, so nobody can find it from this."""
    hint: Mapped[str] = mapped_column(String(4))
    """The code's first letters, which identify the printed code."""
    group: Mapped[str] = mapped_column("group_name", String(64), default="")
    """The group that the new account joins; empty: none."""
    made: Mapped[datetime] = mapped_column(default=utc_now)
    made_by: Mapped[str] = mapped_column(String(128))
    expires: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None] = mapped_column(String(128))
    revoked_at: Mapped[datetime | None]


class Announcement(Base):
    """The announcement on every page; at most one row."""

    __tablename__ = "classroom_announcement"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(500))
    made: Mapped[datetime] = mapped_column(default=utc_now)
    made_by: Mapped[str] = mapped_column(String(128))


class ReservationRow(Base):
    """A reservation of GPUs for a lecture (`classroom.gpus.reservations.store`)."""

    __tablename__ = "classroom_reservations"
    # An id is never used again: an old list cannot cancel a newer reservation.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]
    begins: Mapped[datetime]
    ends: Mapped[datetime]
    group: Mapped[str] = mapped_column("group_name", String(64), default="")
    """The group that may use the GPUs; empty: the instructors."""
    clear: Mapped[bool] = mapped_column(default=False)
    """Whether other students' servers are stopped when it begins."""
    made: Mapped[datetime] = mapped_column(default=utc_now)
    made_by: Mapped[str] = mapped_column(String(128))


class GpuUsageRow(Base):
    """A student's GPU time on one day (`classroom.gpus.usage`)."""

    __tablename__ = "classroom_gpu_use"
    __table_args__ = (UniqueConstraint("day", "name", name="uq_classroom_gpu_use_day"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    day: Mapped[date]
    """In UTC."""
    seconds: Mapped[float]
    """Two GPUs at once count twice."""
