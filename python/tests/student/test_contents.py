from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("jupyter_server")

from tornado.web import HTTPError

from classroom.student.contents import StudentContentsManager, atomic_replace, explain_full_home, is_disk_full

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    file.chmod(0o640)
    with atomic_replace(str(file)) as new:
        new.write("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("old", ["old", None], ids=["there before", "new"])
def test_a_failed_save_leaves_the_saved_file(tmp_path: Path, old: str | None) -> None:
    file = tmp_path / "a.txt"
    if old:
        file.write_text(old)
    with pytest.raises(OSError, match="left"), atomic_replace(str(file)) as new:  # noqa: PT012 - it fails half-way
        new.write("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == (["a.txt"] if old else [])
    assert not old or file.read_text() == old


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    target = tmp_path / "data" / "real.txt"
    target.write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to("data/real.txt")
    with atomic_replace(str(link)) as new:
        new.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EACCES, "x"), False),
        (ValueError(), False),
    ],
)
def test_a_full_disk_is_recognized_also_as_the_cause_of_an_error(error: Exception, full: bool) -> None:  # noqa: FBT001
    outer = HTTPError(500, "Unexpected error")
    outer.__cause__ = error
    assert is_disk_full(error) is is_disk_full(outer) is full


def test_a_full_home_is_explained_with_the_remedy() -> None:
    with pytest.raises(HTTPError) as raised, explain_full_home("my 100% notebook.ipynb"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.status_code == 507
    assert raised.value.log_message
    assert "my 100% notebook.ipynb was not saved" in (raised.value.log_message % raised.value.args)


def test_other_errors_pass() -> None:
    with pytest.raises(HTTPError) as raised, explain_full_home("x"):
        raise HTTPError(404, "no such file")
    assert raised.value.status_code == 404


def save(manager: StudentContentsManager, path: str, content: Any, **model: Any) -> None:
    asyncio.run(manager.save({"content": content, **model}, path))


def test_notebooks_text_and_bytes_are_saved(tmp_path: Path) -> None:
    manager = StudentContentsManager(root_dir=str(tmp_path))
    manager.notary.data_dir = str(tmp_path)
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    save(manager, "n.ipynb", notebook, type="notebook")
    save(manager, "t.txt", "ä\n", type="file", format="text")
    save(manager, "b.bin", "AAEC", type="file", format="base64")
    assert '"nbformat": 4' in (tmp_path / "n.ipynb").read_text()
    assert (tmp_path / "t.txt").read_text() == "ä\n"
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\x01\x02"
