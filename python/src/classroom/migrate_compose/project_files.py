"""Files of the docker-compose project, and the students that its directories belong to."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from escapism import escape

from classroom.docker.client import ENGINE_ERRORS
from classroom.errors import ClassroomError

NOTEBOOKS = Path("data/student-notebooks")
VOLUME = "jupyterhub-data"
"""Name of the volume in which its hub keeps the database."""

_DATABASE = "jupyterhub.sqlite"
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LEGACY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


@dataclass(frozen=True)
class ComposeProject:
    """Paths of the project's files; None for a file that does not exist."""

    folder: Path
    notebooks: Path | None
    """Holds a directory for each student."""
    database: Path | None
    users: Path | None
    """config/users.txt."""
    environment: Path | None
    """.env."""
    config: Path | None
    """config/jupyterhub_config.py."""


@dataclass(frozen=True)
class StudentFolders:
    """Directories of the students."""

    paths: dict[str, Path]
    """By username."""
    problems: tuple[str, ...]
    """A sentence for each directory that belongs to no student, with the remedy."""


def find_project(folder: Path, database: Path | None, notebooks: Path | None, volume: Path | None) -> ComposeProject:
    """Return the project in a directory.

    Args:
        folder: the directory with docker-compose.yml.
        database: jupyterhub.sqlite, where it is elsewhere.
        notebooks: the directory of the students' directories, where it is elsewhere.
        volume: the directory in which the engine keeps the project's volume, if it is on this machine.

    Raises:
        ClassroomError: the directory holds another project, or a link leads out of it.
    """
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ClassroomError(
            f"{folder}: there is no such directory; name the one of the docker-compose project"
        ) from error
    try:
        return _inspect(folder, root, database, notebooks, volume)
    except PermissionError as error:
        raise ClassroomError(f"{error.filename}: only its owner and root can read it; run this as root") from error


def _inspect(
    folder: Path, root: Path, database: Path | None, notebooks: Path | None, volume: Path | None
) -> ComposeProject:
    if not root.is_dir():
        raise ClassroomError(f"{folder}: is a file; name the directory that it is in")
    marks = [root / "docker-compose.yml", root / NOTEBOOKS, root / "config/jupyterhub_config.py"]
    if not any(mark.exists() or mark.is_symlink() for mark in marks):
        raise ClassroomError(
            f"{folder}: has neither docker-compose.yml nor {NOTEBOOKS}; name the directory of the project, in which "
            "docker compose up was run"
        )
    return ComposeProject(
        folder=root,
        notebooks=_named_path(notebooks, directory=True) or _path_inside(root, NOTEBOOKS, "--notebooks"),
        database=_named_path(database, directory=False) or _find_database(root, volume),
        users=_path_inside(root, Path("config/users.txt")),
        environment=_path_inside(root, Path(".env")),
        config=_path_inside(root, Path("config/jupyterhub_config.py")),
    )


def volume_path(client: Any) -> Path | None:  # noqa: ANN401 - docker-py is untyped
    """Return the directory of the project's volume; None if the engine has none or does not answer."""
    with contextlib.suppress(*ENGINE_ERRORS):
        return Path(client.inspect_volume(VOLUME)["Mountpoint"])
    return None


def running_containers(client: Any, project: ComposeProject) -> list[str]:  # noqa: ANN401 - as above
    """Return names of running containers that mount the project's files: its hub, its Nginx, its students' servers.

    Raises:
        one of ENGINE_ERRORS: the engine does not answer.
    """
    directories = [path for path in (project.folder, project.notebooks) if path is not None]

    def is_inside(mount: dict[str, Any]) -> bool:
        source = Path(mount.get("Source") or "/")
        return any(directory == source or directory in source.parents for directory in directories)

    return sorted(
        container["Names"][0].lstrip("/")
        for container in client.containers()
        if any(map(is_inside, container.get("Mounts") or []))
    )


def match_folders(notebooks: Path | None, names: frozenset[str]) -> StudentFolders:
    """Map each directory to its student.

    The project made a directory of the student's name and mounted one of the escaped name: for a name like `mary-ann`
    these are two, and the files are in the one that was mounted.

    Args:
        notebooks: the directory of the students' directories.
        names: the usernames.

    Raises:
        ClassroomError: a directory cannot be read.
    """
    try:
        return _match_folders(notebooks, names)
    except OSError as error:
        raise ClassroomError(f"{error.filename}: cannot be read ({error.strerror}); run this as root") from error


def _match_folders(notebooks: Path | None, names: frozenset[str]) -> StudentFolders:
    paths: dict[str, Path] = {}
    problems: list[str] = []
    unclaimed = _student_folders(notebooks, problems)
    for name in sorted(names):
        candidates = [unclaimed.pop(alias) for alias in _possible_names(name) if alias in unclaimed]
        filled = [path for path in candidates if any(path.iterdir())]
        if len(filled) > 1:
            both = " and ".join(path.name for path in filled)
            problems.append(
                f"{name}: {both} both contain files of this student; move all into {filled[-1].name} and run this again"
            )
        elif candidates:
            paths[name] = (filled or candidates)[0]
    lower = {name.casefold(): name for name in names}
    for alias, path in unclaimed.items():
        if name := lower.get(alias.casefold(), ""):
            problems.append(
                f"{alias}: no account has this name, and {name} differs from it by capital letters only; if these are "
                f"{name}'s files, move them into {notebooks}/{name} and run this again"
            )
        elif twin := next((key for key in unclaimed if key != alias and key.casefold() == alias.casefold()), ""):
            problems.append(
                f"{alias}: differs from {twin} by capital letters only, and usernames have none; move the files into "
                f"one directory, {alias.lower()}, and run this again"
            )
        else:
            paths[alias] = path
    return StudentFolders(paths, tuple(problems))


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        ClassroomError: the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ClassroomError(
            f"{path}: cannot be read ({error}); run this as root, and save the file as UTF-8"
        ) from error


def _possible_names(name: str) -> tuple[str, ...]:
    """Return possible names of a student's directory, as DockerSpawner 12 to 14 escapes them."""
    escaped = escape(name, _LOWER, escape_char="-").lower(), escape(name, _LEGACY, escape_char="_")
    return tuple(dict.fromkeys((name, *escaped)))


def _student_folders(notebooks: Path | None, problems: list[str]) -> dict[str, Path]:
    folders = {}
    for path in sorted(notebooks.iterdir()) if notebooks else ():
        if path.is_symlink():
            problems.append(
                f"{path.name}: a link to {path.readlink()}; put the directory itself there and run this again"
            )
        elif not path.is_dir():
            problems.append(f"{path.name}: a file and not a directory; move it into the directory of its student")
        else:
            folders[path.name] = path
    return folders


def _named_path(path: Path | None, *, directory: bool) -> Path | None:
    if path is None:
        return None
    target = path.resolve()
    if not (target.is_dir() if directory else target.is_file()):
        raise ClassroomError(f"{path}: there is no such {'directory' if directory else 'file'}; check the path")
    return target


def _find_database(root: Path, volume: Path | None) -> Path | None:
    for relative in (Path("data") / _DATABASE, Path(_DATABASE)):
        if path := _path_inside(root, relative, "--database"):
            return path
    # Only root may read the engine's directories.
    with contextlib.suppress(OSError):
        if volume is not None and (volume / _DATABASE).is_file():
            return volume / _DATABASE
    return None


def _path_inside(root: Path, relative: Path, option: str = "") -> Path | None:
    path = root / relative
    if not path.exists() and not path.is_symlink():
        return None
    target = path.resolve()
    if root not in target.parents:
        remedy = f"name its target: {option} {target}" if option else "put the file itself there"
        raise ClassroomError(f"{path}: a link out of the directory, to {target}; {remedy}")
    return target if target.exists() else None
