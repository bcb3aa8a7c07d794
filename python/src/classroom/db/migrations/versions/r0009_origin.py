"""Address of a sign-up that waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column; the addresses of sign-ups before this are not known."""
    with op.batch_alter_table("classroom_accounts") as table:
        table.add_column(sa.Column("origin", sa.String(64), nullable=False, server_default=""))
    with op.batch_alter_table("classroom_accounts") as table:
        table.alter_column("origin", server_default=None)


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("classroom_accounts") as table:
        table.drop_column("origin")
