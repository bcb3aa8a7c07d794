"""Sign-up codes, and what every page says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "classroom_codes",
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
    op.create_table(
        "classroom_announcement",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("made", sa.DateTime, nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
    )


def downgrade() -> None:
    """Remove them: codes that were given out are worth nothing then."""
    op.drop_table("classroom_announcement")
    op.drop_table("classroom_codes")
