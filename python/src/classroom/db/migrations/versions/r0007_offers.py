"""Servers that the hub starts when it is a student's turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "classroom_offers",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("made", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    """Remove it: whoever has such a server keeps it."""
    op.drop_table("classroom_offers")
