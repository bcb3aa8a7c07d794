"""Reservations for which others' servers are stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    """Add the column: none of those that there are does that."""
    with op.batch_alter_table("classroom_reservations", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("clear", sa.Boolean, nullable=False, server_default=sa.false()))
    with op.batch_alter_table("classroom_reservations", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.alter_column("clear", server_default=None)


def downgrade() -> None:
    """Remove it: nobody is sent away then."""
    with op.batch_alter_table("classroom_reservations", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_column("clear")
