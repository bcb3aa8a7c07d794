"""The line for a GPU."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Make its table."""
    op.create_table(
        "classroom_line",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("joined", sa.DateTime, nullable=False),
        sa.Column("offered", sa.DateTime),
        sa.UniqueConstraint("name", name="uq_classroom_line_name"),
    )


def downgrade() -> None:
    """Remove it: whoever waits loses the place."""
    op.drop_table("classroom_line")
