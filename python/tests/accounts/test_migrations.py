from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from classroom.db import migrations
from classroom.db.models import Base
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def ours(db: Session) -> set[str]:
    return {name for name in inspect(db.connection()).get_table_names() if name.startswith("classroom_")}


def test_the_migrations_create_the_tables_of_the_models(db: Session) -> None:
    def mine(_object: object, name: str | None, kind: str, *_rest: object) -> bool:
        return kind != "table" or (name or "").startswith("classroom_")

    context = MigrationContext.configure(
        db.connection(),
        opts={"include_object": mine, "version_table": migrations.VERSION_TABLE, "compare_server_default": True},
    )
    assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_run_once_and_keep_jupyterhubs_revision(db: Session) -> None:
    before = db.scalar(text("SELECT version_num FROM alembic_version"))
    migrations.upgrade(db.connection())
    db.commit()
    assert db.scalar(text("SELECT version_num FROM alembic_version")) == before
    assert db.scalar(text(f"SELECT count(*) FROM {migrations.VERSION_TABLE}")) == 1  # noqa: S608 - a constant


def test_the_migrations_can_be_reverted(db: Session) -> None:
    assert len(ours(db)) == 12
    migrations.downgrade(db.connection(), "base")
    db.commit()
    assert ours(db) == {migrations.VERSION_TABLE}
    assert "users_info" in inspect(db.connection()).get_table_names()


def test_a_database_of_a_newer_version_is_refused(db: Session) -> None:
    db.execute(text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608 - a constant
    with pytest.raises(ClassroomError, match="newer version of classroom"):
        migrations.upgrade(db.connection())
