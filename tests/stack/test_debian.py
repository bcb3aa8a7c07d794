"""Root file systems of Debian, when a download breaks off."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from images.student import debian

if TYPE_CHECKING:
    from pathlib import Path

# Breaks off once; then makes the directory.
_DEBOOTSTRAP = """#!/bin/sh
if mkdir "$HOME/tried"; then echo "E: Couldn't download packages: dbus"; exit 1; fi
mkdir "$5"
"""


@pytest.mark.skipif(bool(debian.missing()), reason=str(debian.missing()))
def test_a_download_that_breaks_off_is_tried_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin/debootstrap"
    program.parent.mkdir()
    program.write_text(_DEBOOTSTRAP, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    debian.make_root(tmp_path / "root", ["dbus"])
    assert (tmp_path / "root").is_dir()
