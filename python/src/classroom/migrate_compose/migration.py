"""The whole of it: what would be done, and doing it."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from classroom.accounts.names import follows_username_rule
from classroom.docker.client import engine_at
from classroom.errors import ClassroomError
from classroom.hub_api import HubAwayError, HubClient, NoTokenError
from classroom.migrate_compose import (
    completed_homes,
    crypt_keys,
    home_archive,
    homes,
    imported_settings,
    project_files,
    stock_accounts,
)
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from classroom.migrate_compose.home_archive import Found
    from classroom.migrate_compose.imported_settings import ImportedSettings
    from classroom.migrate_compose.project_files import Original
    from classroom.migrate_compose.stock_accounts import Person
    from classroom.settings.models import Settings

_AT_ONCE = 4
_REFUSED, _NO_ACCOUNT = "refuse", "no-account"


@dataclass(frozen=True)
class Row:
    """One person, and what becomes of account and files."""

    name: str
    deed: str
    """As `classroom.accounts.stock_import.Action`."""
    standing: str
    """What the account is in the original: approved, waiting, closed; empty where it has none there."""
    folder: Path | None = None
    found: Found | None = None
    """What is in the folder, if there is one."""
    home: str | None = None
    """Where the files go, once the hub has said so."""
    done: bool = False
    """The home has been given the files, now or before."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        found = {"files": self.found.files, "bytes": self.found.size} if self.found else {"files": 0, "bytes": 0}
        account = {"account": self.deed, "standing": self.standing or None}
        return {"name": self.name, **account, "home": self.home, "filesAreThere": self.done, **found}


@dataclass(frozen=True)
class Outcome:
    """What was found, and done."""

    original: Original
    rows: tuple[Row, ...]
    left: tuple[str, ...]
    """What could not be taken over, a sentence each with what to do."""
    notes: tuple[str, ...]
    settings: dict[str, Any]
    """What the settings do not say yet."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        places = {name: str(path) if path else None for name, path in asdict(self.original).items()}
        rows = [row.as_data() for row in self.rows]
        return {"original": places, "people": rows, "left": self.left, "notes": self.notes, "settings": self.settings}


class Takeover:
    """An original's folder and the class that takes it over.

    Args:
        settings: the class's.
        folder: the original's.
        database: where the accounts are, if not there.
        notebooks: where the students' folders are, if not there.

    Raises:
        ClassroomError: the folder is not the original's, or something in it cannot be read.
    """

    def __init__(self, settings: Settings, folder: Path, database: Path | None, notebooks: Path | None) -> None:
        self.settings = settings
        self.client = engine_at(settings.docker.host).client
        volume = None if database else project_files.volume_of(self.client)
        self.original = project_files.find(folder, database, notebooks, volume)
        self.people: Sequence[Person] = stock_accounts.read(self.original.database) if self.original.database else ()
        self.wishes: ImportedSettings = imported_settings.read(self.original, self.people, settings)
        self.folders = project_files.match(self.original.notebooks, frozenset(person.name for person in self.people))
        self.found = {name: home_archive.look(path) for name, path in self.folders.found.items()}

    def plan(self) -> Outcome:
        """What would be done. Nothing is changed; a hub that is away is taken for one of a new class."""
        notes = list(self._notes())
        try:
            answers = self._ask(HubClient.of(self.settings), dry_run=True)
        except (HubAwayError, NoTokenError):
            notes.append("The hub does not run, so this is what a class without accounts would get; start it to go on")
            known = {person.name for person in self.people}
            answers = [
                {"name": name, "deed": "add" if name in known else _NO_ACCOUNT, "why": "", "home": None}
                for name in self._names()
            ]
        if busy := self._running():
            notes.append(busy)
        rows, left = self._rows(answers)
        if short := self._short_of_room(rows):
            notes.append(short)
        return self._outcome(rows, left, notes)

    def carry_out(self, progress: Callable[[int, int], None]) -> Outcome:
        """Do it.

        Args:
            progress: called with how many homes are done, of how many.

        Raises:
            ClassroomError: it cannot be begun; nothing was done.
        """
        if self.settings.spawner != "docker":
            raise ClassroomError('Homes are for containers here: write spawner = "docker" into the settings')
        if os.geteuid() != 0:
            raise ClassroomError("Students' files are theirs and root's to read: run sudo classroom adopt")
        if busy := self._running():
            raise ClassroomError(busy)
        with completed_homes.alone(self.settings.paths.state):
            return self._carry_out(HubClient.of(self.settings), progress)

    def _carry_out(self, hub: HubClient, progress: Callable[[int, int], None]) -> Outcome:
        rows, _ = self._rows(self._ask(hub, dry_run=True))
        if short := self._short_of_room(rows):
            raise ClassroomError(short)
        notes = list(self._notes())
        if said := crypt_keys.keep(self.settings.paths.state, self.wishes.crypt_keys):
            notes.append(said)
        rows, left = self._rows(self._ask(hub, dry_run=False))
        homes.clear(self.settings)
        rows = self._put(rows, left, progress)
        return self._outcome(rows, left, notes)

    def _names(self) -> list[str]:
        """Everybody with an account, then those with files only."""
        filled = [name for name, found in self.found.items() if found.files]
        return list(dict.fromkeys([*(person.name for person in self.people), *filled]))

    def _ask(self, hub: HubClient, *, dry_run: bool) -> list[dict[str, Any]]:
        known = {person.name: asdict(person) for person in self.people}
        wanted = [{**known.get(name, {"name": name}), "files": self._has_files(name)} for name in self._names()]
        answer: list[dict[str, Any]] = hub.post("classroom/adopt", {"people": wanted, "dry_run": dry_run})["people"]
        return answer

    def _has_files(self, name: str) -> bool:
        return name in self.found and self.found[name].files > 0

    def _rows(self, answers: list[dict[str, Any]]) -> tuple[list[Row], list[str]]:
        left = list(self.folders.left)
        standing = {person.name: person.standing for person in self.people}
        without = [each["name"] for each in answers if each["deed"] == _NO_ACCOUNT]
        if without:
            add = f"classroom users add {' '.join(without)}"
            left.append(f"Files and no account: {', '.join(without)}; run {add}, then this again")
        known = completed_homes.read(self.settings.paths.state) if os.access(self.settings.paths.state, os.X_OK) else {}
        rows = []
        for each in answers:
            name = each["name"]
            if each["deed"] == _REFUSED:
                left.append(f"{name}: {each['why']}")
            if each["deed"] in {_REFUSED, _NO_ACCOUNT}:
                continue
            found = self.found.get(name) if self._has_files(name) else None
            rows.append(
                Row(
                    name=name,
                    deed=each["deed"],
                    standing=standing.get(name, ""),
                    folder=self.folders.found.get(name) if found else None,
                    found=found,
                    home=each["home"],
                    done="done" in known.get(each["home"] or "", {}),
                )
            )
        return rows, left

    def _put(self, rows: list[Row], left: list[str], progress: Callable[[int, int], None]) -> list[Row]:
        due = {}
        for row in rows:
            if row.folder is None or row.done:
                continue
            if row.home is None:
                left.append(
                    f"{row.name}: has files and waits for approval: classroom users approve {row.name}, then run this "
                    "again"
                )
            else:
                due[row.name] = row
        progress(0, len(due))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            working = {pool.submit(_put_one, self.settings, row): row for row in due.values()}
            for number, future in enumerate(as_completed(working), 1):
                row = working[future]
                try:
                    future.result()
                except ClassroomError as error:
                    left.append(str(error))
                else:
                    completed_homes.done(self.settings.paths.state, str(row.home))
                    due[row.name] = replace(row, done=True)
                progress(number, len(due))
        return [due.get(row.name, row) for row in rows]

    def _running(self) -> str:
        try:
            found = project_files.running(self.client, self.original)
        except (docker.errors.DockerException, requests.exceptions.RequestException):
            host = self.settings.docker.host
            return f"The Docker engine at {host} does not answer: systemctl start docker, or run this as root"
        if not found:
            return ""
        return (
            f"The original still runs ({', '.join(found)}): stop it, so that nobody writes what is copied: docker stop "
            f"{' '.join(found)}"
        )

    def _short_of_room(self, rows: Sequence[Row]) -> str:
        due = [row for row in rows if row.found and not row.done]
        need = sum(row.found.size for row in due if row.found)
        quota = self.settings.storage.quota
        if quota and (large := [row for row in due if row.found and row.found.size > quota]):
            listed = ", ".join(f"{row.name} {format_bytes(row.found.size)}" for row in large if row.found)
            return f"A home holds {format_bytes(quota)} at most, and there is more for: {listed}; raise storage.quota"
        place = self.settings.storage.path or _engine_folder(self.client)
        if place is None or not place.is_dir():
            return ""
        found = os.statvfs(place)
        free = found.f_bavail * found.f_frsize
        if need <= free:
            return ""
        return (
            f"The files need {format_bytes(need)}, and {place} has {format_bytes(free)} free: "
            "make room there and try again"
        )

    def _notes(self) -> tuple[str, ...]:
        notes = list(self.wishes.notes)
        if odd := [person.name for person in self.people if _is_odd(person.name)]:
            notes.append(
                f"Names that no new account could have; they keep them and sign in as before: {', '.join(odd)}"
            )
        if self.original.database is None:
            notes.append(
                "No database is here, so nobody's password is known; copy it: docker compose cp "
                f"jupyterhub:/srv/jupyterhub/data/jupyterhub.sqlite {self.original.folder}/data/"
            )
        if self.original.notebooks is None:
            notes.append(
                f"{project_files.NOTEBOOKS} is not there: accounts come without files; name them with --notebooks"
            )
        for name, found in self.found.items():
            notes.extend(f"{name}: {said}" for said in found.notes)
        return tuple(notes)

    def _outcome(self, rows: Sequence[Row], left: Sequence[str], notes: Sequence[str]) -> Outcome:
        return Outcome(self.original, tuple(rows), tuple(left), tuple(notes), self.wishes.settings)


def _put_one(settings: Settings, row: Row) -> None:
    if row.home is not None and row.folder is not None:
        homes.put(settings, row.name, row.home, row.folder)


def _engine_folder(client: Any) -> Path | None:  # noqa: ANN401 - docker-py is untyped
    try:
        return Path(client.info()["DockerRootDir"])
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return None


def _is_odd(name: str) -> bool:
    return not follows_username_rule(name) and re.fullmatch(r"[^\sA-Z,/]+", name) is not None
