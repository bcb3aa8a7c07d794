"""Migration of a docker-compose project: the plan, and its execution."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classroom.accounts.names import follows_username_rule
from classroom.docker.client import ENGINE_ERRORS, shared_engine
from classroom.errors import ClassroomError, printable
from classroom.hub_api import HubAwayError, HubClient, NoTokenError
from classroom.migrate_compose import (
    completed_homes,
    home_archive,
    homes,
    imported_settings,
    project_files,
    stock_accounts,
)
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from classroom.migrate_compose.home_archive import FolderSummary
    from classroom.migrate_compose.imported_settings import ImportedSettings
    from classroom.migrate_compose.project_files import ComposeProject
    from classroom.migrate_compose.stock_accounts import StockAccount
    from classroom.settings.models import Settings

_PARALLEL_HOMES = 4
_REFUSED, _NO_ACCOUNT = "refuse", "no-account"


@dataclass(frozen=True)
class MigratedAccount:
    """One account with its files, and what the migration does with them."""

    name: str
    action: str
    """As `classroom.accounts.stock_import.StockAction`."""
    status: str
    """State of the account in the project: approved, waiting, closed; empty where it has none there."""
    folder: Path | None = None
    files: FolderSummary | None = None
    """Content of the folder, if there is one."""
    home: str | None = None
    """Home for the files, once the hub has named it."""
    is_complete: bool = False
    """Whether the home has been given the files, now or before."""

    def as_data(self) -> dict[str, Any]:
        """Return the row of `--json`."""
        files = {"files": self.files.files, "bytes": self.files.size} if self.files else {"files": 0, "bytes": 0}
        account = {"account": self.action, "standing": self.status or None}
        return {"name": self.name, **account, "home": self.home, "filesAreThere": self.is_complete, **files}


@dataclass(frozen=True)
class MigrationReport:
    """Result of a plan or of a run."""

    project: ComposeProject
    accounts: tuple[MigratedAccount, ...]
    problems: tuple[str, ...]
    """A sentence for each account or directory that could not be migrated, with the remedy."""
    notes: tuple[str, ...]
    settings: dict[str, Any]
    """Settings that the settings file does not have yet."""

    def as_data(self) -> dict[str, Any]:
        """Return the document of `--json`."""
        return {
            "original": {name: str(path) if path else None for name, path in asdict(self.project).items()},
            "people": [account.as_data() for account in self.accounts],
            "left": self.problems,
            "notes": self.notes,
            "settings": self.settings,
        }


class Migration:
    """A docker-compose project and the class that replaces it.

    Args:
        settings: those of the class.
        folder: the directory of the project.
        database: jupyterhub.sqlite, where it is elsewhere.
        notebooks: the directory of the students' directories, where it is elsewhere.

    Raises:
        ClassroomError: the directory holds another project, or a file in it cannot be read.
    """

    def __init__(self, settings: Settings, folder: Path, database: Path | None, notebooks: Path | None) -> None:
        self.settings = settings
        self.client = shared_engine(settings.docker.host).client
        volume = None if database else project_files.volume_path(self.client)
        self.project = project_files.find_project(folder, database, notebooks, volume)
        self.accounts: Sequence[StockAccount] = (
            stock_accounts.read_accounts(self.project.database) if self.project.database else ()
        )
        self.imported: ImportedSettings = imported_settings.import_settings(self.project, self.accounts, settings)
        names = frozenset(account.name for account in self.accounts)
        self.folders = project_files.match_folders(self.project.notebooks, names)
        self.files = {name: home_archive.inspect_folder(path) for name, path in self.folders.paths.items()}

    def plan(self) -> MigrationReport:
        """Report what `run` would do. Nothing is changed; a hub that is away is taken for one of a new class."""
        notes = list(self._notes())
        try:
            answers = self._call_hub(HubClient.of(self.settings), dry_run=True)
        except (HubAwayError, NoTokenError):
            notes.append("The hub does not run, so this is the plan for a class without accounts; start it to continue")
            known = {account.name for account in self.accounts}
            answers = [
                {"name": name, "deed": "add" if name in known else _NO_ACCOUNT, "why": "", "home": None}
                for name in self._names()
            ]
        rows, problems = self._rows(answers)
        notes += [message for message in (self._project_runs(), self._lacks_space(rows)) if message]
        return self._report(rows, problems, notes)

    def run(self, progress: Callable[[int, int], None]) -> MigrationReport:
        """Migrate accounts, files and keys.

        Args:
            progress: is called with the number of homes that are complete, and of all.

        Raises:
            ClassroomError: the migration cannot begin; nothing was done.
        """
        if self.settings.spawner != "docker":
            raise ClassroomError('The files can only go into homes of containers: set spawner = "docker"')
        if os.geteuid() != 0:
            raise ClassroomError("Only root can read the students' files: run sudo classroom adopt")
        if message := self._project_runs():
            raise ClassroomError(message)
        with completed_homes.exclusive_migration(self.settings.paths.state):
            return self._run(HubClient.of(self.settings), progress)

    def _run(self, hub: HubClient, progress: Callable[[int, int], None]) -> MigrationReport:
        rows, _ = self._rows(self._call_hub(hub, dry_run=True))
        if message := self._lacks_space(rows):
            raise ClassroomError(message)
        notes = list(self._notes())
        if note := imported_settings.add_crypt_keys(self.settings.paths.state, self.imported.crypt_keys):
            notes.append(note)
        rows, problems = self._rows(self._call_hub(hub, dry_run=False))
        homes.remove_leftover_containers(self.settings)
        rows = self._copy_files(rows, problems, progress)
        return self._report(rows, problems, notes)

    def _names(self) -> list[str]:
        """Return the names of all accounts, then those of directories with files and without an account."""
        filled = [name for name, summary in self.files.items() if summary.files]
        return list(dict.fromkeys([*(account.name for account in self.accounts), *filled]))

    def _call_hub(self, hub: HubClient, *, dry_run: bool) -> list[dict[str, Any]]:
        known = {account.name: asdict(account) for account in self.accounts}
        people = [{**known.get(name, {"name": name}), "files": self._has_files(name)} for name in self._names()]
        answers: list[dict[str, Any]] = hub.post("classroom/adopt", {"people": people, "dry_run": dry_run})["people"]
        return answers

    def _has_files(self, name: str) -> bool:
        return name in self.files and self.files[name].files > 0

    def _rows(self, answers: list[dict[str, Any]]) -> tuple[list[MigratedAccount], list[str]]:
        problems = list(self.folders.problems)
        status = {account.name: account.status for account in self.accounts}
        if unknown := [answer["name"] for answer in answers if answer["deed"] == _NO_ACCOUNT]:
            add = f"classroom users add {' '.join(unknown)}"
            problems.append(f"These names have files but no account: {', '.join(unknown)}; run {add}, then this again")
        state = self.settings.paths.state
        completed = completed_homes.read_completed(state) if os.access(state, os.X_OK) else {}
        rows = []
        for answer in answers:
            name, action, home = answer["name"], answer["deed"], answer["home"]
            if action == _REFUSED:
                problems.append(f"{name}: {answer['why']}")
            if action in {_REFUSED, _NO_ACCOUNT}:
                continue
            files = self.files.get(name) if self._has_files(name) else None
            folder = self.folders.paths.get(name) if files else None
            is_complete = "done" in completed.get(home or "", {})
            rows.append(MigratedAccount(name, action, status.get(name, ""), folder, files, home, is_complete))
        return rows, problems

    def _copy_files(
        self, rows: list[MigratedAccount], problems: list[str], progress: Callable[[int, int], None]
    ) -> list[MigratedAccount]:
        due = {}
        for row in rows:
            if row.folder is None or row.is_complete:
                continue
            if row.home is None:
                approve = f"classroom users approve {row.name}"
                problems.append(f"{row.name} has files and waits for approval: {approve}, then run this again")
            else:
                due[row.name] = row
        progress(0, len(due))
        with ThreadPoolExecutor(_PARALLEL_HOMES) as pool:
            jobs = {pool.submit(_copy, self.settings, row): row for row in due.values()}
            for number, future in enumerate(as_completed(jobs), 1):
                row = jobs[future]
                try:
                    future.result()
                except ClassroomError as error:
                    problems.append(str(error))
                else:
                    completed_homes.mark_completed(self.settings.paths.state, str(row.home))
                    due[row.name] = replace(row, is_complete=True)
                progress(number, len(due))
        return [due.get(row.name, row) for row in rows]

    def _project_runs(self) -> str:
        """Return why the project must be stopped first; empty if it does not run."""
        try:
            names = project_files.running_containers(self.client, self.project)
        except ENGINE_ERRORS:
            host = self.settings.docker.host
            return f"The Docker engine at {host} does not answer: systemctl start docker, or run this as root"
        if not names:
            return ""
        return (
            f"The docker-compose project still runs ({', '.join(names)}), and its files may change while they are "
            f"copied: docker stop {' '.join(names)}"
        )

    def _lacks_space(self, rows: Sequence[MigratedAccount]) -> str:
        """Return why the files do not fit; empty if they do."""
        sizes = {row.name: row.files.size for row in rows if row.files and not row.is_complete}
        quota = self.settings.storage.quota
        if quota and (large := [f"{name} {format_bytes(size)}" for name, size in sizes.items() if size > quota]):
            names = ", ".join(large)
            return f"A home holds {format_bytes(quota)} at most, and these are larger: {names}; raise storage.quota"
        directory = self.settings.storage.path or _engine_directory(self.client)
        if directory is None or not directory.is_dir():
            return ""
        disk = os.statvfs(directory)
        needed, free = sum(sizes.values()), disk.f_bavail * disk.f_frsize
        if needed <= free:
            return ""
        return (
            f"The files need {format_bytes(needed)}, and {directory} has {format_bytes(free)} free: free some space "
            "and try again"
        )

    def _notes(self) -> tuple[str, ...]:
        notes = list(self.imported.notes)
        if unusual := [account.name for account in self.accounts if _is_unusual(account.name)]:
            notes.append(
                f"New accounts cannot have these names, but their students keep them and log in as before: "
                f"{', '.join(unusual)}"
            )
        if self.project.database is None:
            notes.append(
                "There is no database, so no password is known; copy it: docker compose cp "
                f"jupyterhub:/srv/jupyterhub/data/jupyterhub.sqlite {self.project.folder}/data/"
            )
        if self.project.notebooks is None:
            notes.append(
                f"{project_files.NOTEBOOKS} does not exist: accounts come without files; name them with --notebooks"
            )
        notes += [f"{name}: {note}" for name, summary in self.files.items() for note in summary.notes]
        return tuple(notes)

    def _report(
        self, rows: Sequence[MigratedAccount], problems: Sequence[str], notes: Sequence[str]
    ) -> MigrationReport:
        return MigrationReport(
            self.project,
            tuple(rows),
            tuple(map(printable, problems)),
            tuple(map(printable, notes)),
            self.imported.settings,
        )


def _copy(settings: Settings, row: MigratedAccount) -> None:
    if row.home is not None and row.folder is not None:
        homes.copy_into_home(settings, row.name, row.home, row.folder)


def _engine_directory(client: Any) -> Path | None:  # noqa: ANN401 - docker-py is untyped
    try:
        return Path(client.info()["DockerRootDir"])
    except ENGINE_ERRORS:
        return None


def _is_unusual(name: str) -> bool:
    return not follows_username_rule(name) and re.fullmatch(r"[^\sA-Z,/]+", name) is not None
