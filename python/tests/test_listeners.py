from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from classroom.errors import ClassroomError
from classroom.listeners import create_socket


def test_a_path_appears_when_its_socket_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    existed = []
    listen = socket.socket.listen

    def look(listener: socket.socket, backlog: int) -> None:
        existed.append(path.exists())
        listen(listener, backlog)

    monkeypatch.setattr(socket.socket, "listen", look)
    with create_socket(path, os.getuid()), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert existed == [False]
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_an_old_socket_is_replaced_and_only_its_owner_reaches_the_new(tmp_path: Path) -> None:
    path = tmp_path / "s"
    create_socket(path, os.getuid()).close()
    with create_socket(path, os.getuid()), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClassroomError, match=r"missing/s: cannot be listened on \(No such file or directory\)"):
        create_socket(tmp_path / "missing/s", os.getuid())
