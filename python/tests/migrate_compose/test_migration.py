"""`classroom adopt` without a hub and an engine: the plan for the operator."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.processes import classroom


def adopt(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        classroom("adopt", *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )


def test_a_dry_run_needs_no_hub(folder: Path, settings_file: Path) -> None:
    (folder / "data/student-notebooks/Ada").mkdir()
    (folder / "data/student-notebooks/Ada/x").write_text("")
    (folder / "data/student-notebooks/carl").mkdir()
    (folder / "data/student-notebooks/carl/x").write_text("")
    done = adopt(folder, "--dry-run", "--settings", settings_file)
    assert done.returncode == 0, done.stderr
    assert "The hub does not run" in done.stdout
    assert "ada " in done.stdout
    assert "eve " in done.stdout
    assert "; waits for approval" in done.stdout
    assert '"admins": [' in done.stdout
    assert "keep them and log in as before: müller, anna@example.org" in done.stdout
    assert "Not migrated: Ada: no account has this name" in done.stderr
    assert (
        "Not migrated: These names have files but no account: carl; run classroom users add carl, then this again."
        in done.stderr
    )
    assert done.stdout.endswith("Nothing was done: this was a dry run.\n")


def test_a_dry_run_prints_json(folder: Path, settings_file: Path) -> None:
    found = json.loads(adopt(folder, "--dry-run", "--json", "--settings", settings_file).stdout)
    assert found["dryRun"]
    files = {person["name"]: person["files"] for person in found["people"]}
    assert (files["ada"], files["grace"], files["eve"]) == (1, 1, 0)
    assert found["settings"] == {"admins": ["teacher"]}
    assert found["original"]["database"] == str(folder / "data/jupyterhub.sqlite")


def test_nothing_changes_while_the_engine_or_the_hub_is_away(folder: Path, settings_file: Path) -> None:
    done = adopt(folder, "--settings", settings_file)
    assert done.returncode == 1
    assert "docker.sock does not answer" in done.stderr or "run sudo classroom adopt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("wrong", ["none", "data/student-notebooks/ada"])
def test_a_wrong_directory_is_one_sentence(folder: Path, settings_file: Path, wrong: str) -> None:
    done = adopt(folder / wrong, "--dry-run", "--settings", settings_file)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "; name the " in done.stderr


def test_names_of_files_do_not_control_the_operators_terminal(folder: Path, settings_file: Path) -> None:
    name = "\x1b[2J\nEverything has been migrated.\u202e"
    notebooks = folder / "data/student-notebooks"
    (notebooks / name).write_text("")
    os.mkfifo(notebooks / "ada" / name)
    (notebooks / "ada" / f"link{name}").symlink_to(f"/etc/{name}")
    done = adopt(folder, "--dry-run", "--settings", settings_file)
    assert r"\x1b[2J\nEverything has been migrated.\u202e: a file and not a directory" in done.stderr
    assert r"\x1b[2J\nEverything has been migrated.\u202e is not a file, folder or link" in done.stdout
    assert not set(done.stdout + done.stderr) & set("\x1b\u202e")
    assert not [line for line in done.stdout.splitlines() if line.startswith("Everything")]
