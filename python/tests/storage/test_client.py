from __future__ import annotations

import io
import tarfile

from classroom.storage.client import copy_without_root


def archive(*members: tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for member in members:
            made.addfile(member, io.BytesIO(b"x" * member.size))
    return file.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.uid, made.gid, made.mode = kind, size, 1000, 100, 0o640
    made.linkname = "a" if kind == tarfile.SYMTYPE else ""
    return made


def test_everything_but_the_first_directory_is_copied_with_owners_and_modes() -> None:
    old = archive(
        entry("./", tarfile.DIRTYPE),
        entry("./a", size=3000),
        entry("./b", tarfile.DIRTYPE),
        entry("./b/c", tarfile.SYMTYPE),
    )
    new = io.BytesIO()
    copy_without_root([old[:700], old[700:]], new)
    new.seek(0)
    with tarfile.open(fileobj=new) as read:
        members = read.getmembers()
        assert [member.name for member in members] == ["./a", "./b", "./b/c"]
        assert {(member.uid, member.gid, member.mode) for member in members} == {(1000, 100, 0o640)}
        content = read.extractfile("./a")
        assert content is not None
        assert content.read() == b"x" * 3000
