"""Repair of a home before the server starts: what would keep JupyterLab from opening is corrected or renamed.

Nothing is deleted, and nothing is followed out of the places that Jupyter reads. The notebook shows what was done.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDERS = (".jupyter", ".jupyter/lab", ".jupyter/labconfig", ".local", ".local/share", ".local/share/jupyter")
"""Folders that the server needs, parents first."""
_TREES = (".jupyter/lab", ".jupyter/labconfig", ".local/share/jupyter/kernels")
"""Folders of which the server reads every file."""
_FILES = (".local/share/jupyter/nbsignatures.db", ".local/share/jupyter/notebook_secret")
_SETTINGS = (".jupyterlab-settings", "page_config.json", "kernel.json")
_WORKSPACE = ".jupyterlab-workspace"
_MOST_ENTRIES = 5000
_MOST_BYTES = 4 * 1024**2
_MOST_JSON5 = 64 * 1024  # bytes; its parser is slow
_OWNER = stat.S_IRWXU

sentences: list[str] = []
"""What was done at the start of this server, for the student."""


def repair(home: Path) -> list[str]:
    """Repair what the server needs in a home, and return a sentence about each change.

    An entry that cannot be changed, because it belongs to somebody else or the disk is full, stays as it is.
    """
    done = [*_open(home, "Your home folder")]
    for name in _FOLDERS:
        done += _folder(home / name, f"~/{name}")
    for tree in _TREES:
        for path in _entries(home / tree):
            done += _entry(path, f"~/{path.relative_to(home)}")
    for name in _FILES:
        if _lexists(home / name):
            done += _regular(home / name, f"~/{name}")
    return done


def _folder(path: Path, name: str) -> Iterator[str]:
    if os.path.isdir(path):  # noqa: PTH112 - it never raises
        yield from _open(path, f"The folder {name}")
    elif _lexists(path):
        yield from _set_aside(path, name, "is not a folder, and Jupyter needs one there")


def _entry(path: Path, name: str) -> Iterator[str]:
    if os.path.isdir(path):  # noqa: PTH112 - as above
        yield from _open(path, f"The folder {name}")
    else:
        yield from _regular(path, name)


def _regular(path: Path, name: str) -> Iterator[str]:
    """Repair a file. One that is not regular, such as a pipe, would make the server wait without an end."""
    if not os.path.isfile(path):  # noqa: PTH113 - it never raises
        yield from _set_aside(path, name, "is not a file that can be read")
        return
    yield from _open(path, f"The file {name}", stat.S_IRUSR | stat.S_IWUSR)
    if path.name.endswith((*_SETTINGS, _WORKSPACE)) and not _is_valid(path):
        yield from _set_aside(path, name, "is not valid, so JupyterLab cannot read it")


def _open(path: Path, name: str, mode: int = _OWNER) -> Iterator[str]:
    """Give the owner the rights that the server needs."""
    with suppress(OSError):
        details = path.lstat()
        current = stat.S_IMODE(details.st_mode)
        if current & mode != mode and details.st_uid == os.getuid() and not stat.S_ISLNK(details.st_mode):
            path.chmod(current | mode)
            yield f"{name} could not be opened or changed (mode {current:o}). Its mode is {current | mode:o} now."


def _set_aside(path: Path, name: str, reason: str) -> Iterator[str]:
    with suppress(OSError):
        numbers = iter(range(1, _MOST_ENTRIES))
        target = path.with_name(f"{path.name}.set-aside")
        while _lexists(target):
            target = path.with_name(f"{path.name}.set-aside-{next(numbers)}")
        path.rename(target)
        yield f"{name} {reason}. Its name is {target.name} now."


def _entries(tree: Path) -> Iterator[Path]:
    """Yield what is below a folder, parents first; links to folders are not followed."""
    waiting, seen = [tree], 0
    while waiting:
        try:
            found = sorted(waiting.pop().iterdir())
        except OSError:
            continue
        for path in found:
            seen += 1
            if seen > _MOST_ENTRIES:
                return
            if ".set-aside" in path.name:
                continue
            yield path
            if os.path.isdir(path) and not path.is_symlink():  # noqa: PTH112 - it never raises
                waiting.append(path)


def _is_valid(path: Path) -> bool:
    """Return whether a file is a JSON object as Jupyter reads it."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return True  # reading it would take long; JupyterLab writes none of this size
        text = path.read_text(encoding="utf-8")
    except OSError:
        return True
    except ValueError:
        return False
    if not text.strip():
        return path.name.endswith(".jupyterlab-settings")
    found = _parse(text)
    if path.name.endswith(_WORKSPACE):
        return isinstance(found, dict) and all(isinstance(found.get(key), dict) for key in ("data", "metadata"))
    return isinstance(found, dict)


def _parse(text: str) -> object:
    """Return what a text of JSON, or of JSON with comments, means; None if it is neither."""
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    if len(text) <= _MOST_JSON5:
        import json5  # noqa: PLC0415 - it takes a while, and is hardly ever necessary

        with suppress(ValueError, RecursionError):
            return json5.loads(text)
    return None


def _lexists(path: Path) -> bool:
    return os.path.lexists(path)


def run(home: Path) -> None:
    """Repair a home, and store and log what was done. An error of the repair itself must not keep a server away."""
    try:
        sentences[:] = repair(home)
    except OSError as error:
        sys.stderr.write(f"The home could not be repaired: {error}\n")
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")
