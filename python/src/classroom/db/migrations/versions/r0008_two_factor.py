"""Tables of two-factor login."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "classroom_two_factor",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("confirmed_at", sa.DateTime),
        sa.Column("last_step", sa.Integer, nullable=False),
    )
    op.create_table(
        "classroom_recovery_codes",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("mark", sa.String(64), primary_key=True),
    )


def downgrade() -> None:
    """Drop the tables: logins ask for passwords only."""
    op.drop_table("classroom_recovery_codes")
    op.drop_table("classroom_two_factor")
