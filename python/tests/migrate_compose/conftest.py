from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

STOCK = Path(__file__).parents[1] / "db"


@pytest.fixture
def stock() -> dict[str, dict[str, object]]:
    """Return accounts in the database of a real JupyterHub 5.5.4 (see db/make_stock.py)."""
    found: dict[str, dict[str, object]] = json.loads((STOCK / "stock.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the directory of a docker-compose project after its set-up and a run of its hub."""
    top = tmp_path / "jupyterhub-docker"
    notebooks = top / "data" / "student-notebooks"
    for name in ("ada", "grace"):
        (notebooks / name).mkdir(parents=True)
        (notebooks / name / "first.ipynb").write_text("{}")
    (top / "config").mkdir()
    (top / "docker-compose.yml").write_text("services: {}\n")
    (top / "config" / "users.txt").write_text("# Admin users (one per line)\nteacher\n\n# Regular users\nada\n")
    (top / "config" / "jupyterhub_config.py").write_text("c.Authenticator.admin_users = {'teacher'}\n")
    (top / ".env").write_text("DOCKER_NETWORK_NAME=jupyterhub-network\n")
    with sqlite3.connect(top / "data" / "jupyterhub.sqlite") as made:
        made.executescript((STOCK / "stock.sql").read_text(encoding="utf-8"))
    made.close()
    return top


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Return the settings of a class whose hub does not run, on an engine that does not answer."""
    (tmp_path / "state").mkdir()
    data = {
        "paths": {"state": str(tmp_path / "state"), "runtime": str(tmp_path)},
        "hub": {"listen": "127.0.0.1:1"},
        "docker": {"host": f"unix://{tmp_path}/docker.sock"},
    }
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(data))
    return file
