"""Accounts, failed logins, homes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "classroom_accounts",
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
    op.create_table(
        "classroom_failed_logins",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("address", sa.String(64), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("expires", sa.DateTime, nullable=False),
    )
    op.create_index("ix_classroom_failed_logins_expires", "classroom_failed_logins", ["expires"])
    op.create_table(
        "classroom_homes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("location", sa.String(255), nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("archived_at", sa.DateTime),
        sa.UniqueConstraint("location", name="uq_classroom_homes_location"),
    )
    op.create_index("ix_classroom_homes_username", "classroom_homes", ["username"])


def downgrade() -> None:
    """Remove them; `users_info`, which stock NativeAuthenticator needs, stays."""
    op.drop_table("classroom_homes")
    op.drop_table("classroom_failed_logins")
    op.drop_table("classroom_accounts")
