"""Migrations of our tables, by alembic, beside JupyterHub's own and apart from them.

Our revision is in the table `classroom_version`. A new revision is a module in `versions/` that names the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSION_TABLE = "classroom_version"


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring our tables to a revision, over a connection of the caller's, who commits.

    Raises:
        ClassroomError: the database was used by a newer version of this package.
    """
    try:
        command.upgrade(_config(connection), revision)
    except CommandError as error:
        raise ClassroomError(
            f"The hub's database is of a newer version of classroom ({error}). Install that version again, or restore "
            "the database of this one from its backup."
        ) from error


def downgrade(connection: Connection, revision: str) -> None:
    """Take our tables back to a revision (`base`: they are removed), over a connection of the caller's, who commits."""
    command.downgrade(_config(connection), revision)


def scripts() -> ScriptDirectory:
    """All revisions that this version knows."""
    return ScriptDirectory.from_config(_config())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "classroom.db:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
