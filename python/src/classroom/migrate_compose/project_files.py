"""The original's folder: where in it is what."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker.errors
import requests.exceptions
from escapism import escape

from classroom.errors import ClassroomError

NOTEBOOKS = Path("data/student-notebooks")
VOLUME = "jupyterhub-data"
"""Where its hub keeps the database."""

_DATABASE = "jupyterhub.sqlite"
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LEGACY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


@dataclass(frozen=True)
class Original:
    """What there is to take over. A path is None where there is nothing."""

    folder: Path
    notebooks: Path | None
    """A folder for each student."""
    database: Path | None
    users: Path | None
    """config/users.txt."""
    environment: Path | None
    """.env."""
    config: Path | None
    """config/jupyterhub_config.py."""


@dataclass(frozen=True)
class Folders:
    """Whose the students' folders are."""

    found: dict[str, Path]
    """By username."""
    left: tuple[str, ...]
    """What is nobody's, a sentence each."""


def find(folder: Path, database: Path | None, notebooks: Path | None, volume: Path | None) -> Original:
    """Look at the folder.

    Args:
        folder: the original's, with its docker-compose.yml.
        database: jupyterhub.sqlite, where it is elsewhere.
        notebooks: the students' folders, where they are elsewhere.
        volume: where the engine keeps the original's volume, if it is on this machine.

    Raises:
        ClassroomError: it is not the original's, or a link leads out of it.
    """
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ClassroomError(f"{folder}: there is no such folder; name the one with the original's files") from error
    try:
        return _look(folder, root, database, notebooks, volume)
    except PermissionError as error:
        raise ClassroomError(f"{error.filename}: is not yours to read; run this as root") from error


def _look(folder: Path, root: Path, database: Path | None, notebooks: Path | None, volume: Path | None) -> Original:
    if not root.is_dir():
        raise ClassroomError(f"{folder}: is a file; name the folder that it is in")
    marks = [root / "docker-compose.yml", root / NOTEBOOKS, root / "config/jupyterhub_config.py"]
    if not any(mark.exists() or mark.is_symlink() for mark in marks):
        raise ClassroomError(
            f"{folder}: is not the original's folder, neither docker-compose.yml nor {NOTEBOOKS} is in it; name the "
            "one where docker compose up was run"
        )
    return Original(
        folder=root,
        notebooks=_given(notebooks, folder=True) or _inside(root, NOTEBOOKS, "--notebooks"),
        database=_given(database, folder=False) or _database(root, volume),
        users=_inside(root, Path("config/users.txt")),
        environment=_inside(root, Path(".env")),
        config=_inside(root, Path("config/jupyterhub_config.py")),
    )


def volume_of(client: Any) -> Path | None:  # noqa: ANN401 - docker-py is untyped
    """Where the engine keeps the original's volume; None if it has none or does not answer."""
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        return Path(client.inspect_volume(VOLUME)["Mountpoint"])
    return None


def running(client: Any, original: Original) -> list[str]:  # noqa: ANN401 - as above
    """Names of the containers that run and have files of the original: its hub, its Nginx, its students' servers.

    Raises:
        docker.errors.DockerException: the engine does not answer.
        requests.exceptions.RequestException: as above.
    """
    places = [each for each in (original.folder, original.notebooks) if each is not None]

    def has(mount: dict[str, Any]) -> bool:
        source = Path(mount.get("Source") or "/")
        return any(place == source or place in source.parents for place in places)

    containers = client.containers()
    return sorted(each["Names"][0].lstrip("/") for each in containers if any(map(has, each.get("Mounts") or [])))


def match(notebooks: Path | None, names: frozenset[str]) -> Folders:
    """Whose each folder is.

    The original made a folder of the student's name and mounted one of the escaped name: for a name like `mary-ann`
    these are two, and files are in the one that was mounted.

    Args:
        notebooks: the students' folders.
        names: of the accounts.

    Raises:
        ClassroomError: they cannot be read.
    """
    try:
        return _match(notebooks, names)
    except OSError as error:
        raise ClassroomError(f"{error.filename}: cannot be read ({error.strerror}); run this as root") from error


def _match(notebooks: Path | None, names: frozenset[str]) -> Folders:
    found: dict[str, Path] = {}
    left: list[str] = []
    there = _entries(notebooks, left)
    for name in sorted(names):
        mine = [there.pop(alias) for alias in _aliases(name) if alias in there]
        filled = [path for path in mine if any(path.iterdir())]
        if len(filled) > 1:
            both = " and ".join(path.name for path in filled)
            left.append(f"{name}: {both} both hold files of theirs; move all into {filled[-1].name} and run this again")
        elif mine:
            found[name] = (filled or mine)[0]
    lower = {name.casefold(): name for name in names}
    for alias, path in there.items():
        if name := lower.get(alias.casefold(), ""):
            left.append(
                f"{alias}: no account has this name, and {name} differs from it by capital letters only; if these are "
                f"{name}'s files move them into {notebooks}/{name} and run this again"
            )
        elif twin := next((each for each in there if each != alias and each.casefold() == alias.casefold()), ""):
            left.append(
                f"{alias}: differs from {twin} by capital letters only, and names here have none; move the files into "
                f"one folder, {alias.lower()}, and run this again"
            )
        else:
            found[alias] = path
    return Folders(found, tuple(left))


def text(path: Path) -> str:
    """A file's text.

    Raises:
        ClassroomError: it cannot be read, or is in another encoding than UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ClassroomError(
            f"{path}: cannot be read ({error}); run this as root, and save the file as UTF-8"
        ) from error


def _aliases(name: str) -> tuple[str, ...]:
    """What a student's folder may be called, as DockerSpawner 12 to 14 escapes names."""
    escaped = escape(name, _LOWER, escape_char="-").lower(), escape(name, _LEGACY, escape_char="_")
    return tuple(dict.fromkeys((name, *escaped)))


def _entries(notebooks: Path | None, left: list[str]) -> dict[str, Path]:
    there = {}
    for path in sorted(notebooks.iterdir()) if notebooks else ():
        if path.is_symlink():
            left.append(f"{path.name}: a link to {path.readlink()}; put the folder itself there and run this again")
        elif not path.is_dir():
            left.append(f"{path.name}: a file and no student's folder; move it into the folder of whom it belongs to")
        else:
            there[path.name] = path
    return there


def _given(path: Path | None, *, folder: bool) -> Path | None:
    if path is None:
        return None
    found = path.resolve()
    if not (found.is_dir() if folder else found.is_file()):
        raise ClassroomError(f"{path}: there is no such {'folder' if folder else 'file'}; name it as it is")
    return found


def _database(root: Path, volume: Path | None) -> Path | None:
    for place in (Path("data") / _DATABASE, Path(_DATABASE)):
        if found := _inside(root, place, "--database"):
            return found
    # Who is not root may not look there.
    with contextlib.suppress(OSError):
        if volume is not None and (volume / _DATABASE).is_file():
            return volume / _DATABASE
    return None


def _inside(root: Path, place: Path, option: str = "") -> Path | None:
    path = root / place
    if not path.exists() and not path.is_symlink():
        return None
    found = path.resolve()
    if root not in found.parents:
        remedy = f"name what it leads to: {option} {found}" if option else "put the file itself there"
        raise ClassroomError(f"{path}: a link out of the folder, to {found}; {remedy}")
    return found if found.exists() else None
