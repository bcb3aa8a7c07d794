"""For how long students have had GPUs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "classroom_gpu_use",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.UniqueConstraint("day", "name", name="uq_classroom_gpu_use_day"),
    )


def downgrade() -> None:
    """Remove it: everybody has used nothing then."""
    op.drop_table("classroom_gpu_use")
