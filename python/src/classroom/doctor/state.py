"""Checks of the hub's state: secrets, database and the last backup."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from classroom.backup.target import LastBackup, read_last_backup
from classroom.db import sqlite, upgrade
from classroom.doctor import units
from classroom.doctor.checks import ok, warning, wrong
from classroom.errors import printable
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

SECRETS, DATABASE, BACKUP = "secrets", "database", "backup"
_OLD = timedelta(days=8)
"""More than a week of work would be lost."""


def check_secrets(state: Path) -> Iterable[Finding]:
    """Check that only the hub can read its secrets."""
    if not state.exists():
        start = units.restart("classroom-hub", "classroom hub")
        yield wrong(SECRETS, f"{state} does not exist. The hub creates it at its first start.", start)
        return
    findings = list(_open_ones(state))
    yield from findings or [ok(SECRETS, f"Only the hub can read them ({state / 'secrets'}).")]


def _open_ones(state: Path) -> Iterator[Finding]:
    directory = state / "secrets"
    owner = state.stat()
    for path in (directory, *sorted(directory.iterdir())) if directory.exists() else ():
        status = path.lstat()
        if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
            yield wrong(SECRETS, f"{path} is not a file.", f"rm {path}")
        elif stat.S_IMODE(status.st_mode) & 0o077:
            mode = "700" if path == directory else "600"
            yield wrong(SECRETS, f"Others can read {path}.", f"chmod {mode} {path}")
        elif status.st_uid != owner.st_uid:
            yield wrong(SECRETS, f"{path} does not belong to the hub's user.", f"chown --reference={state} {path}")
    # Hashes of passwords and tokens; JupyterHub makes the file as the hub's umask has it.
    file = sqlite.database_file(state)
    if file.exists() and owner.st_mode & 0o005 and file.stat().st_mode & 0o004:
        yield wrong(
            SECRETS, f"Others can read {file}: accounts and the hashes of their passwords.", f"chmod 700 {state}"
        )


def check_database(state: Path) -> Iterable[Finding]:
    """Check that the database is readable, undamaged, and of a compatible version."""
    file = sqlite.database_file(state)
    if not file.exists():
        start = units.restart("classroom-hub", "classroom hub")
        yield wrong(DATABASE, f"{file} does not exist. The hub creates it at its first start.", start)
        return
    if not upgrade.is_compatible(sqlite.read_revisions(file)):
        says = "It is of a newer version than the installed one: install that version again, or restore a copy."
        yield wrong(DATABASE, says, "classroom upgrade rollback")
        return
    (result,) = sqlite.select_rows(file, "PRAGMA quick_check(1)")[0]
    if result != "ok":
        yield wrong(DATABASE, f"It is damaged ({result}).", "classroom upgrade rollback")
        return
    yield ok(DATABASE, f"It has no errors ({format_bytes(file.stat().st_size)}).")


def check_backup(settings: Settings) -> Iterable[Finding]:
    """Check the age of the last backup, and that it is complete."""
    yield inspect_backup(read_last_backup(settings.paths.state), settings.backup.repository, datetime.now(UTC))


def inspect_backup(last: LastBackup | None, repository: str | None, now: datetime) -> Finding:
    """Return the finding on the last backup.

    Args:
        last: None if there is none.
        repository: where the settings want it.
        now: with a time zone.
    """
    command = "classroom backup create"
    if last is None:
        place = "" if repository else " /srv/backups/classroom"
        return warning(BACKUP, "There is no backup: a broken disk would lose the class.", f"{command}{place}")
    if not repository:
        command += f" --archive {last.where} --overwrite" if last.archive else f" {last.where}"
    age = last.age(now)
    old = f"{age.days} days" if age.days > 1 else f"{age.total_seconds() / 3600:.0f} hours"
    if age > _OLD:
        return warning(BACKUP, f"The last one is {old} old ({last.where}).", command)
    if last.problems:
        return warning(BACKUP, f"The last one is incomplete: {printable(last.problems[0])}", command)
    return ok(BACKUP, f"The last one is {old} old ({last.where}).")
