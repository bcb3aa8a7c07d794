"""Alembic migrations of our tables, separate from JupyterHub's own.

Our revision is in the table `classroom_version`. A new revision is a module in `versions/` that names the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import inspect, text

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSION_TABLE = "classroom_version"
_MERGED = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Revisions from before the first release, which 0007 contains."""


def upgrade(connection: Connection) -> None:
    """Migrate our tables to the newest revision, over a connection of the caller's, who commits.

    Raises:
        ClassroomError: the database was used by a newer version of this package.
    """
    if inspect(connection).has_table(VERSION_TABLE):
        merged = ", ".join(f"'{revision}'" for revision in _MERGED)
        connection.execute(text(f"DELETE FROM {VERSION_TABLE} WHERE version_num IN ({merged})"))  # noqa: S608 - constants
    try:
        command.upgrade(_config(connection), "head")
    except CommandError as error:
        raise ClassroomError(
            f"The hub's database is of a newer version of classroom ({error}). Install that version again, or restore "
            "the database of this one from its backup."
        ) from error


def downgrade(connection: Connection, revision: str) -> None:
    """Take our tables back to a revision (`base` removes them), over a connection of the caller's, who commits."""
    command.downgrade(_config(connection), revision)


def head() -> str | None:
    """Return the newest revision."""
    return _scripts().get_current_head()


def is_known(revision: str | None) -> bool:
    """Return whether this version can use, or migrate, tables of a revision; None means that there are none yet."""
    if revision is None or revision in _MERGED:
        return True
    try:
        return _scripts().get_revision(revision) is not None
    except CommandError:
        return False


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "classroom.db:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
