"""Checks of groups: images, shared folders and their names. Each function returns messages that say what to write."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import combinations
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

_PRIVATE = ("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var/lib/docker", "/var/run")
"""Sockets and secrets of the machine. Neither these directories nor their parents can be shared with students."""


def image_problems(image: str | None, images: Collection[str]) -> Iterator[str]:
    """Yield a message if a group's image is neither a name of `images` nor a reference with a tag or digest."""
    if image is None or image in images or re.search(r"[:@]", image):
        return
    close = get_close_matches(image, images, n=1)
    known = f"did you mean {close[0]}?" if close else f"images has {', '.join(images) or 'none'}."
    yield (
        f"no image has the name {image}; {known} "
        f'For an image of the engine, write its tag too, such as "{image}:latest"'
    )


def shared_folder_problems(path: Path, own: Iterable[Path | None]) -> Iterator[str]:
    """Yield a message if a shared folder would show students private directories of the machine or of the class.

    Args:
        path: the shared folder.
        own: directories of the class.
    """
    if not path.is_absolute() or ".." in path.parts:
        yield 'must begin at the root: write shared = ["/srv/data"]'
        return
    for directory in (*map(PurePath, _PRIVATE), *(directory for directory in own if directory is not None)):
        if path.is_relative_to(directory) or directory.is_relative_to(path):
            yield f"would show students {directory}: share a folder that contains only what they may read"
            return


def shared_name_problems(shared: Mapping[str, Iterable[Path]]) -> Iterator[str]:
    """Yield a message for every two different shared folders that would have the same name in a student's home.

    Args:
        shared: folders by group.
    """
    folders = dict.fromkeys((name, path) for name, paths in shared.items() for path in paths)
    for (earlier, other), (name, path) in combinations(folders, 2):
        if path.name == other.name and path != other:
            yield (
                f"groups.{name}.shared: {path} would be shared/{path.name}, as {other} of groups.{earlier} is: give "
                "one of the folders another name"
            )
