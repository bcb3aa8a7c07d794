from __future__ import annotations

import io
import tarfile

import pytest

from classroom.engine_filter.archive import copy_archive
from classroom.engine_filter.request import RefusedError


def archive(name: str = "a", kind: bytes = tarfile.REGTYPE, mode: int = 0o644, **headers: str) -> io.BytesIO:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.linkname = kind, mode, "b"
        member.uid, member.pax_headers = 1000, dict(headers)
        content = b"text" if kind == tarfile.REGTYPE else b""
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    target.seek(0)
    return target


def copied(source: io.BytesIO) -> tarfile.TarInfo:
    target = io.BytesIO()
    copy_archive(source, target)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        (member,) = tar.getmembers()
        return member


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_files_directories_and_links_pass(kind: bytes) -> None:
    member = copied(archive("x/y", kind))
    assert (member.name, member.type, member.uid) == ("x/y", kind, 1000)


def test_capabilities_of_programs_do_not_pass() -> None:
    source = archive(**{"SCHILY.xattr.security.capability": "all"})
    assert b"security.capability" in source.getvalue()
    assert copied(source).pax_headers == {}


@pytest.mark.parametrize(
    "source",
    [
        archive(mode=0o4755),
        archive(mode=0o2755),
        archive(kind=tarfile.CHRTYPE),
        archive(kind=tarfile.BLKTYPE),
        archive(kind=tarfile.FIFOTYPE),
        archive("../x"),
        archive("/etc/passwd"),
        archive("a/../../x"),
        io.BytesIO(b"x" * 2000),
    ],
    ids=["setuid", "setgid", "character", "block", "fifo", "up", "root", "inside", "nonsense"],
)
def test_what_could_give_rights_is_refused(source: io.BytesIO) -> None:
    with pytest.raises(RefusedError):
        copied(source)
