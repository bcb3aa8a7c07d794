"""All tables of the first release.

Revisions 0001 to 0006, from before the release, are part of this one: it creates what is missing of a database that
stopped at one of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = None

_metadata = sa.MetaData()
sa.Table(
    "classroom_accounts",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("full_name", sa.String(100), nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("must_change", sa.Boolean, nullable=False),
    sa.Column("approved_by", sa.String(128)),
    sa.Column("approved_at", sa.DateTime),
    sa.Column("revoked_at", sa.DateTime),
    sa.UniqueConstraint("name", name="uq_classroom_accounts_name"),
)
sa.Table(
    "classroom_failed_logins",
    _metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("address", sa.String(64), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("expires", sa.DateTime, nullable=False),
    sa.Index("ix_classroom_failed_logins_expires", "expires"),
)
sa.Table(
    "classroom_homes",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("username", sa.String(255), nullable=False),
    sa.Column("location", sa.String(255), nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("archived_at", sa.DateTime),
    sa.UniqueConstraint("location", name="uq_classroom_homes_location"),
    sa.Index("ix_classroom_homes_username", "username"),
)
sa.Table(
    "classroom_line",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("joined", sa.DateTime, nullable=False),
    sa.Column("offered", sa.DateTime),
    sa.UniqueConstraint("name", name="uq_classroom_line_name"),
)
sa.Table(
    "classroom_offers",
    _metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("made", sa.DateTime, nullable=False),
)
sa.Table(
    "classroom_codes",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("mark", sa.String(64), nullable=False),
    sa.Column("hint", sa.String(4), nullable=False),
    sa.Column("group_name", sa.String(64), nullable=False),
    sa.Column("made", sa.DateTime, nullable=False),
    sa.Column("made_by", sa.String(128), nullable=False),
    sa.Column("expires", sa.DateTime, nullable=False),
    sa.Column("used_at", sa.DateTime),
    sa.Column("used_by", sa.String(128)),
    sa.Column("revoked_at", sa.DateTime),
    sa.UniqueConstraint("mark", name="uq_classroom_codes_mark"),
)
sa.Table(
    "classroom_announcement",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String(500), nullable=False),
    sa.Column("made", sa.DateTime, nullable=False),
    sa.Column("made_by", sa.String(128), nullable=False),
)
sa.Table(
    "classroom_reservations",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("begins", sa.DateTime, nullable=False),
    sa.Column("ends", sa.DateTime, nullable=False),
    sa.Column("group_name", sa.String(64), nullable=False),
    sa.Column("made", sa.DateTime, nullable=False),
    sa.Column("made_by", sa.String(128), nullable=False),
    sa.Column("clear", sa.Boolean, nullable=False),
    sqlite_autoincrement=True,
)
sa.Table(
    "classroom_gpu_use",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.UniqueConstraint("day", "name", name="uq_classroom_gpu_use_day"),
)


def upgrade() -> None:
    """Create the missing tables, and the column `clear` in reservations of revisions 0004 and 0005."""
    connection = op.get_bind()
    _metadata.create_all(connection)
    columns = {column["name"] for column in sa.inspect(connection).get_columns("classroom_reservations")}
    if "clear" not in columns:
        options = {"sqlite_autoincrement": True}
        with op.batch_alter_table("classroom_reservations", table_kwargs=options) as table:
            table.add_column(sa.Column("clear", sa.Boolean, nullable=False, server_default=sa.false()))
        with op.batch_alter_table("classroom_reservations", table_kwargs=options) as table:
            table.alter_column("clear", server_default=None)


def downgrade() -> None:
    """Drop the tables. `users_info`, which stock NativeAuthenticator needs, stays."""
    _metadata.drop_all(op.get_bind())
