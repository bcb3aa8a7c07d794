"""`classroom backup`: create, list and restore backups."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from classroom.cli.output import (
    DEFAULT_SETTINGS,
    AsJson,
    SettingsFile,
    build_table,
    print_result,
    print_text,
    show_progress,
)
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings
from classroom.settings.models import Settings
from classroom.units import format_bytes

if TYPE_CHECKING:
    from classroom.backup.create import BackupResult
    from classroom.backup.manifest import Manifest
    from classroom.backup.restore import RestoreResult
    from classroom.backup.target import ArchiveBackup, RepositoryBackup

app = typer.Typer(
    help="Backups of accounts, secrets, settings and homes, made while students work.", no_args_is_help=True
)

Place = Annotated[
    str | None,
    typer.Argument(
        metavar="PLACE",
        help="A directory, or any restic repository. Default: backup.repository of the settings.",
    ),
]
PasswordFile = Annotated[Path | None, typer.Option(help="A file with the repository's password.")]


@app.command()
def create(  # noqa: PLR0913, PLR0917 - options of a command
    place: Place = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tar.zst", help="Write one file, which is not encrypted, instead of a repository."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace FILE if it exists.")] = False,
    prune: Annotated[bool, typer.Option(help="Remove old backups, by backup.keep of the settings.")] = False,
    password_file: PasswordFile = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Back up the class. A repository is created if there is none."""
    from classroom.backup.archive import Archive  # noqa: PLC0415 - the engine's client takes a while to import
    from classroom.backup.create import create_backup  # noqa: PLC0415 - as above
    from classroom.backup.homes import refuse_without_rights  # noqa: PLC0415 - as above
    from classroom.backup.target import open_repository  # noqa: PLC0415 - as above

    settings = load_settings(settings_file)
    refuse_without_rights(settings, "create")
    if archive is not None:
        if place is not None:
            raise ClassroomError(f"Write either {place} or --archive {archive}: one backup goes to one place")
        _refuse_to_replace(archive, overwrite=overwrite)
        with show_progress("Writing", quiet=as_json) as progress:
            result = create_backup(settings, settings_file, Archive(archive.absolute()), lambda done: progress(done, 1))
    else:
        repository, password = open_repository(settings, place, password_file, create_password=True)
        if not repository.exists():
            repository.initialize()
        if password is not None:
            _print_password(password)
        with show_progress("Storing", quiet=as_json) as progress:
            result = create_backup(settings, settings_file, repository, lambda done: progress(done, 1))
        if prune:
            keep = settings.backup.keep
            repository.forget({"daily": keep.daily, "weekly": keep.weekly, "monthly": keep.monthly})
    print_result(Text(_backup_text(result)), result.as_data(), as_json=as_json)
    if not as_json:
        for sentence in result.left_out:
            print_text(sentence, err=True)
    if result.problems:
        raise ClassroomError("\n".join(["The backup is complete except for:", *result.problems]))


@app.command("list")
def list_(
    place: Place = None,
    password_file: PasswordFile = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """List the backups in a repository, oldest first."""
    from classroom.backup.target import open_repository  # noqa: PLC0415 - as above

    settings = _settings_or_none(settings_file) or Settings()
    repository, _ = open_repository(settings, place, password_file, create_password=False)
    snapshots = repository.snapshots()
    data = [{"id": item.id, "time": item.time, "host": item.host, "homes": item.homes} for item in snapshots]
    rows = [(item.id[:8], item.time[:19].replace("T", " "), item.host, str(item.homes)) for item in snapshots]
    table = build_table("id", "made", "machine", "homes", rows=rows)
    print_result(table if rows else Text(f"{repository.location} has no backup yet."), data, as_json=as_json)


@app.command()
def restore(  # noqa: PLR0913, PLR0917 - options of a command
    place: Place = None,
    archive: Annotated[
        Path | None, typer.Option(metavar="FILE.tar.zst", help="Restore from a file that --archive wrote.")
    ] = None,
    backup_id: Annotated[
        str | None, typer.Option("--id", help="The backup, by the first characters of its id. Default: the newest.")
    ] = None,
    student: Annotated[str | None, typer.Option(metavar="NAME", help="Restore only this student's home.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace existing data with the backup's.")] = False,
    password_file: PasswordFile = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Restore a class, on this machine or another, or one student's home.

    To restore a class, stop its hub first. After a kill, run the command
    again and it continues.
    """
    from classroom.backup.restore import restore_all, restore_student  # noqa: PLC0415 - as above

    settings = _settings_or_none(settings_file)
    source = _open_backup(settings, place, archive, backup_id, password_file)
    manifest = source.manifest()
    if settings is None:
        settings = _saved_settings(source, manifest, settings_file)
    with show_progress("Restoring", quiet=as_json):
        if student is not None:
            result = restore_student(settings, source, manifest, student, overwrite=overwrite)
        else:
            result = restore_all(settings, settings_file, source, manifest, overwrite=overwrite)
    print_result(Text(_restore_text(result)), result.as_data(), as_json=as_json)


def _refuse_to_replace(archive: Path, *, overwrite: bool) -> None:
    if archive.is_dir():
        raise ClassroomError(f"{archive} is a directory: name a file in it: --archive {archive / 'class.tar.zst'}")
    if archive.exists() and not overwrite:
        raise ClassroomError(
            f"{archive} exists already: name another file, or add --overwrite to replace it when the new one is "
            "complete"
        )


def _open_backup(
    settings: Settings | None,
    place: str | None,
    archive: Path | None,
    backup_id: str | None,
    password_file: Path | None,
) -> RepositoryBackup | ArchiveBackup:
    from classroom.backup.archive import Archive  # noqa: PLC0415 - as above
    from classroom.backup.target import ArchiveBackup, open_repository, select_backup  # noqa: PLC0415 - as above

    if archive is not None:
        return ArchiveBackup(Archive(archive.absolute()))
    repository, _ = open_repository(settings or Settings(), place, password_file, create_password=False)
    return select_backup(repository, backup_id)


def _settings_or_none(file: Path) -> Settings | None:
    """Return the settings; None on a machine without a settings file."""
    return load_settings(file) if file.exists() else None


def _saved_settings(source: RepositoryBackup | ArchiveBackup, manifest: Manifest, settings_file: Path) -> Settings:
    """Return the settings in a backup, for a machine that has none."""
    if Path(manifest.settings).suffix != settings_file.suffix:
        raise ClassroomError(
            f"{settings_file}: does not exist, and the settings in the backup are {manifest.settings}: name a file "
            f"for them with --settings {settings_file.with_suffix(Path(manifest.settings).suffix)}"
        )
    with tempfile.TemporaryDirectory() as directory:
        saved = manifest.folder / "settings" / manifest.settings
        source.restore([saved], Path(directory))
        return load_settings(Path(directory) / saved.relative_to("/"))


def _print_password(file: Path) -> None:
    secret = file.read_text(encoding="utf-8").strip() if sys.stderr.isatty() else f"in {file}"
    print_text(
        f"The backups are encrypted with a new password: {secret}\n"
        f"Keep a copy outside this machine: without it nobody can restore them. On this machine it is in {file}.",
        err=True,
    )


def _backup_text(result: BackupResult) -> str:
    files = "" if result.files is None else f", {result.files} files"
    vanished = (
        f" {result.vanished} files were deleted during the backup: somebody is working." if result.vanished else ""
    )
    return (
        f"Saved {result.accounts} accounts and {result.homes} homes{files} to {result.where} as {result.id}: "
        f"{format_bytes(result.added)} written.{vanished}"
    )


def _restore_text(result: RestoreResult) -> str:
    if not result.accounts:
        return f"Restored {result.homes[0]} as it was on {result.made}."
    lines = [
        f"Restored accounts, secrets and {len(result.homes)} homes as they were on {result.made}. Start the hub now."
    ]
    if result.kept:
        lines.append(f"The previous database is kept: {result.kept}")
    if result.settings:
        lines.append(f"The settings of the backup: {result.settings}")
    return "\n".join(lines)
