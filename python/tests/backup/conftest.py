from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from backup.backup_class import KINDS, PASSWORD, Class, need
from backup.quick_key import make_quick
from classroom.db import upgrade

STOCK = Path(__file__).parents[1] / "db" / "stock.sql"


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a hub's database with accounts and two homes, one of a removed account."""
    state = tmp_path_factory.mktemp("made")
    with sqlite3.connect(state / "jupyterhub.sqlite") as made:
        made.executescript(STOCK.read_text(encoding="utf-8"))
    made.close()
    upgrade.prepare_database(state)
    with sqlite3.connect(state / "jupyterhub.sqlite") as made:
        made.execute("INSERT INTO classroom_homes VALUES (1, 'ada', 'classroom-home-ada', '2026-01-01', NULL)")
        made.execute("INSERT INTO classroom_homes VALUES (2, 'bob', 'classroom-home-bob', '2026-01-01', '2026-02-02')")
    made.close()
    return state / "jupyterhub.sqlite"


@pytest.fixture
def school(tmp_path: Path, database: Path) -> Class:
    """Return a class with accounts, secrets and two homes."""
    made = Class(tmp_path / "school")
    made.configure()
    (made.state / "secrets").mkdir(mode=0o700, parents=True)
    shutil.copy(database, made.state)
    (made.state / "secrets" / "crypt-key").write_text("0123\n")
    (made.state / "secrets" / "crypt-key").chmod(0o600)
    for name in ("ada", "bob"):
        made.home(name).mkdir(parents=True)
        (made.home(name) / "notes.txt").write_text(f"of {name}")
    return made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Class:
    """Return another machine, with settings only."""
    made = Class(tmp_path / "elsewhere")
    made.configure()
    return made


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> list[str]:
    """Return the target of a backup, as the operator writes it."""
    if request.param == "archive":
        found: list[str] = request.getfixturevalue("archive")
        return found
    return [request.getfixturevalue("repository")]


@pytest.fixture
def archive(tmp_path: Path) -> list[str]:
    """Return an archive as target, for tests in which the kind of target does not matter."""
    need("tar", "zstd")
    return ["--archive", str(tmp_path / "class.tar.zst")]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository without a backup."""
    need("restic")
    made = tmp_path_factory.mktemp("empty") / "repository"
    subprocess.run(["restic", f"--repo={made}", "init"], env=os.environ | PASSWORD, check=True, capture_output=True)
    make_quick(made, PASSWORD["RESTIC_PASSWORD"])
    return made


@pytest.fixture
def repository(tmp_path: Path, empty: Path) -> str:
    return str(shutil.copytree(empty, tmp_path / "backups"))
