"""`classroom backup`: make backups, list them, put them back."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, show
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings
from classroom.settings.models import Settings
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from classroom.backup.create import Made
    from classroom.backup.manifest import Manifest
    from classroom.backup.restore import Restored
    from classroom.backup.target import Chosen, Opened

app = typer.Typer(help="Accounts, secrets, settings and homes, saved while students work.", no_args_is_help=True)

Place = Annotated[
    str | None,
    typer.Argument(
        metavar="PLACE",
        help="A folder, or any repository of restic's; unless given, backup.repository of the settings.",
    ),
]
PasswordFile = Annotated[Path | None, typer.Option(help="File with the repository's password.")]


@app.command()
def create(  # noqa: PLR0913, PLR0917 - options of a command
    place: Place = None,
    archive: Annotated[
        Path | None, typer.Option(metavar="FILE.tar.zst", help="One file instead of a repository. It is not encrypted.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace FILE if it is there.")] = False,
    prune: Annotated[bool, typer.Option(help="Remove old backups, as backup.keep of the settings says.")] = False,
    password_file: PasswordFile = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Back the class up. A repository is made where there is none."""
    from classroom.backup.archive import Archive  # noqa: PLC0415 - the engine's client takes a while to import
    from classroom.backup.create import create as make  # noqa: PLC0415 - as above
    from classroom.backup.homes import refuse_without_rights  # noqa: PLC0415 - as above
    from classroom.backup.target import repository  # noqa: PLC0415 - as above

    settings = load_settings(settings_file)
    refuse_without_rights(settings, "create")
    if archive is not None:
        if place is not None:
            raise ClassroomError(f"Write either {place} or --archive {archive}: one backup goes to one place")
        _refuse_to_replace(archive, overwrite=overwrite)
        with _progress("Writing", quiet=as_json) as progress:
            made = make(settings, settings_file, Archive(archive.absolute()), progress)
    else:
        store, password = repository(settings, place, password_file, make=True)
        if not store.exists():
            store.make()
        if password is not None:
            _tell_password(password)
        with _progress("Storing", quiet=as_json) as progress:
            made = make(settings, settings_file, store, progress)
        if prune:
            keep = settings.backup.keep
            store.forget({"daily": keep.daily, "weekly": keep.weekly, "monthly": keep.monthly})
    show(Text(_said(made)), made.as_data(), as_json=as_json)
    if made.problems:
        raise ClassroomError("\n".join(["This is not in the backup, all else is:", *made.problems]))


@app.command("list")
def list_(
    place: Place = None,
    password_file: PasswordFile = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Show the backups in a repository, oldest first."""
    from classroom.backup.target import repository  # noqa: PLC0415 - as above

    settings = _settings_or_none(settings_file) or Settings()
    store, _ = repository(settings, place, password_file, make=False)
    found = store.snapshots()
    table = Table("id", "made", "machine", "homes")
    for each in found:
        table.add_row(each.id[:8], each.time[:19].replace("T", " "), each.host, str(each.homes))
    data = [{"id": each.id, "time": each.time, "host": each.host, "homes": each.homes} for each in found]
    show(table if found else Text(f"{store.location} holds no backup yet."), data, as_json=as_json)


@app.command()
def restore(  # noqa: PLR0913, PLR0917 - options of a command
    place: Place = None,
    archive: Annotated[Path | None, typer.Option(metavar="FILE.tar.zst", help="From the file of --archive.")] = None,
    backup_id: Annotated[
        str | None, typer.Option("--id", help="Which backup, by the first characters; the newest unless given.")
    ] = None,
    student: Annotated[str | None, typer.Option(metavar="NAME", help="Only this student's home.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace what is here by what is in the backup.")] = False,
    password_file: PasswordFile = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Put a class back, on this machine or another, or one student's home.

    A whole class is restored while its hub is stopped. Killed halfway,
    it goes on when it is run again.
    """
    from classroom.backup.restore import restore_all, restore_student  # noqa: PLC0415 - as above

    settings = _settings_or_none(settings_file)
    chosen = _source(settings, place, archive, backup_id, password_file)
    manifest = chosen.manifest()
    if settings is None:
        settings = _saved_settings(chosen, manifest, settings_file)
    with _progress("Restoring", quiet=as_json):
        if student is not None:
            done = restore_student(settings, chosen, manifest, student, overwrite=overwrite)
        else:
            done = restore_all(settings, settings_file, chosen, manifest, overwrite=overwrite)
    show(Text(_restored(done)), done.as_data(), as_json=as_json)


def _refuse_to_replace(archive: Path, *, overwrite: bool) -> None:
    if archive.is_dir():
        raise ClassroomError(f"{archive} is a folder: name a file in it: --archive {archive / 'class.tar.zst'}")
    if archive.exists() and not overwrite:
        raise ClassroomError(
            f"{archive} is there already: name another file, or add --overwrite to replace it when the new one is "
            "complete"
        )


def _source(
    settings: Settings | None,
    place: str | None,
    archive: Path | None,
    backup_id: str | None,
    password_file: Path | None,
) -> Chosen | Opened:
    from classroom.backup.archive import Archive  # noqa: PLC0415 - as above
    from classroom.backup.target import Opened, choose, repository  # noqa: PLC0415 - as above

    if archive is not None:
        return Opened(Archive(archive.absolute()))
    store, _ = repository(settings or Settings(), place, password_file, make=False)
    return choose(store, backup_id)


def _settings_or_none(file: Path) -> Settings | None:
    """The settings; None on a machine that has none yet."""
    return load_settings(file) if file.exists() else None


def _saved_settings(chosen: Chosen | Opened, manifest: Manifest, settings_file: Path) -> Settings:
    """The settings in a backup, for a machine that has none."""
    if Path(manifest.settings).suffix != settings_file.suffix:
        raise ClassroomError(
            f"{settings_file}: not there, and the settings in the backup are {manifest.settings}: name a file "
            f"for them with --settings {settings_file.with_suffix(Path(manifest.settings).suffix)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        saved = manifest.folder / "settings" / manifest.settings
        chosen.restore([saved], Path(folder))
        return load_settings(Path(folder) / saved.relative_to("/"))


@contextlib.contextmanager
def _progress(what: str, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A line on the terminal; nothing where nobody looks."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done: bar.update(task, total=1.0, completed=done)


def _tell_password(file: Path) -> None:
    """Once: later nobody is asked for it on this machine."""
    secret = file.read_text(encoding="utf-8").strip() if sys.stderr.isatty() else f"in {file}"
    typer.secho(
        f"The backups are encrypted, with a password that was made now: {secret}\n"
        f"Keep a copy away from this machine: without it they are worth nothing. Here it stays in {file}.",
        err=True,
    )


def _said(made: Made) -> str:
    files = "" if made.files is None else f", {made.files} files"
    gone = f" {made.vanished} files were gone when it came to them: somebody works." if made.vanished else ""
    return (
        f"Saved {made.accounts} accounts and {made.homes} homes{files} to {made.where} as {made.id}: "
        f"{format_bytes(made.added)} written.{gone}"
    )


def _restored(done: Restored) -> str:
    if not done.accounts:
        return f"Restored {done.homes[0]} as it was on {done.made}."
    lines = [f"Restored accounts, secrets and {len(done.homes)} homes as they were on {done.made}. Start the hub now."]
    if done.kept:
        lines.append(f"The database that was here is kept: {done.kept}")
    if done.settings:
        lines.append(f"The settings of the backup: {done.settings}")
    return "\n".join(lines)
