"""Copy of an archive on its way into a new home: plain files, directories and links."""

from __future__ import annotations

import tarfile
from pathlib import PurePosixPath
from typing import IO

from classroom.engine_filter.request import RefusedError, shown

_SPECIAL_BITS = 0o6000  # set-user-ID and set-group-ID (inode(7))


def copy_archive(source: IO[bytes], target: IO[bytes]) -> None:
    """Write an archive again, member by member, so that the engine reads what was checked.

    Extended attributes, and with them capabilities of programs, are left out.

    Raises:
        RefusedError: it is no tar archive, or has a member that could give somebody rights.
    """
    try:
        with tarfile.open(fileobj=source, mode="r:") as old, tarfile.open(fileobj=target, mode="w") as new:
            for member in old:
                _check(member)
                member.pax_headers = {}
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
    except (tarfile.TarError, UnicodeError, ValueError) as error:
        raise RefusedError("The files are no tar archive.") from error


def _check(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise RefusedError(f"The archive has the path {shown(member.name)}, which leads out of the home.")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise RefusedError(f"{shown(member.name)} in the archive is no file, directory or link.")
    if member.mode & _SPECIAL_BITS and not member.isdir():
        raise RefusedError(f"{shown(member.name)} in the archive would run with the rights of its owner.")
