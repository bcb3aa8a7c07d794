"""Our tables in the hub's database, beside stock NativeAuthenticator's `users_info`.

`users_info` stays the truth about password and approval, so that a rollback to stock works; what stock has no column
for is here. Times are UTC without a zone, as in JupyterHub's own tables. `migrations` makes and changes them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def now() -> datetime:
    """The time, as these tables hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """Metadata of our own: JupyterHub must neither create nor check these tables."""


class Account(Base):
    """What stock's `users_info` does not say about an account."""

    __tablename__ = "classroom_accounts"
    __table_args__ = (UniqueConstraint("name", name="uq_classroom_accounts_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    """The normalized (lower-case) username. Unique: of two racing sign-ups one wins."""
    full_name: Mapped[str] = mapped_column(String(100), default="")
    created: Mapped[datetime] = mapped_column(default=now)
    """When the person signed up, or the account was first seen."""
    must_change: Mapped[bool] = mapped_column(default=False)
    """The password is a one-time password."""
    approved_by: Mapped[str | None] = mapped_column(String(128))
    approved_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class FailedLogin(Base):
    """Failed logins of one name from one address; `name` is empty in the row of the address alone."""

    __tablename__ = "classroom_failed_logins"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    expires: Mapped[datetime] = mapped_column(index=True)
    """When the row counts no more: a lockout's duration after the last failure."""


class Home(Base):
    """Where the files of an account are. The row of a removed account is archived, and its place never used again."""

    __tablename__ = "classroom_homes"
    __table_args__ = (UniqueConstraint("location", name="uq_classroom_homes_location"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(255), index=True)
    location: Mapped[str] = mapped_column(String(255))
    created: Mapped[datetime] = mapped_column(default=now)
    archived_at: Mapped[datetime | None]


class QueueRow(Base):
    """A student's place in the line for a GPU; who has the lowest `id` is first (`classroom.gpus.queue`)."""

    __tablename__ = "classroom_line"
    __table_args__ = (UniqueConstraint("name", name="uq_classroom_line_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    joined: Mapped[datetime] = mapped_column(default=now)
    offered: Mapped[datetime | None]
    """Since when a GPU is kept for the student."""


class Offer(Base):
    """A server that the hub started by turn and that nobody has opened (`classroom.gpus.autostart`)."""

    __tablename__ = "classroom_offers"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    made: Mapped[datetime] = mapped_column(default=now)
    """When it was started."""


class SignUpCode(Base):
    """A code whose holder signs up without waiting for approval (`classroom.accounts.signup_codes`)."""

    __tablename__ = "classroom_codes"
    __table_args__ = (UniqueConstraint("mark", name="uq_classroom_codes_mark"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the code, which has 79 bits: nobody finds it from this."""
    hint: Mapped[str] = mapped_column(String(4))
    """The code's first letters, by which a person finds the slip of paper."""
    group: Mapped[str] = mapped_column("group_name", String(64), default="")
    """Whoever uses it becomes a member; empty: of no group."""
    made: Mapped[datetime] = mapped_column(default=now)
    made_by: Mapped[str] = mapped_column(String(128))
    expires: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None] = mapped_column(String(128))
    revoked_at: Mapped[datetime | None]


class Announcement(Base):
    """What every page says; one row at most."""

    __tablename__ = "classroom_announcement"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(500))
    made: Mapped[datetime] = mapped_column(default=now)
    made_by: Mapped[str] = mapped_column(String(128))


class ReservationRow(Base):
    """GPUs that are reserved for a lecture (`classroom.gpus.reservations.store`)."""

    __tablename__ = "classroom_reservations"
    # A number is never used again: who cancels by an old list cancels no other.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]
    begins: Mapped[datetime]
    ends: Mapped[datetime]
    group: Mapped[str] = mapped_column("group_name", String(64), default="")
    """Whose members may have them; empty: the instructors."""
    clear: Mapped[bool] = mapped_column(default=False)
    """Others' servers are stopped for it when it begins."""
    made: Mapped[datetime] = mapped_column(default=now)
    made_by: Mapped[str] = mapped_column(String(128))


class GpuUse(Base):
    """For how long a student has had GPUs on one day (`classroom.gpus.usage`)."""

    __tablename__ = "classroom_gpu_use"
    __table_args__ = (UniqueConstraint("day", "name", name="uq_classroom_gpu_use_day"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    day: Mapped[date]
    """UTC."""
    seconds: Mapped[float]
    """Those of two GPUs at once are counted twice."""
