from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return the directory of all homes."""
    if os.geteuid():
        pytest.skip("homes are given to their students: needs root")
    folder = tmp_path / "homes"
    folder.mkdir(mode=0o711)
    return folder


@pytest.fixture
def settings_file(store: Path, tmp_path: Path) -> Path:
    file = tmp_path / "settings.json"
    storage = {"kind": "directory", "path": str(store), "helper": str(tmp_path / "homes.sock")}
    file.write_text(json.dumps({"storage": storage, "paths": {"state": str(tmp_path)}}))
    return file
