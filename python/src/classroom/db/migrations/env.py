"""Alembic's environment: the code that runs around each of our migrations."""

from __future__ import annotations

from alembic import context

from classroom.db.migrations import VERSION_TABLE
from classroom.db.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
