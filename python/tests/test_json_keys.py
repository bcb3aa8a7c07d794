"""Keys of the `--json` output that needs a backup, GPUs or another project to be printed.

`tests/behaviour/test_json_output.py` records those of the other commands.
"""

from __future__ import annotations

from pathlib import Path

from classroom.backup.create import BackupResult
from classroom.backup.restore import RestoreResult
from classroom.gpus.selftest import TestResult
from classroom.migrate_compose.migration import MigratedAccount, MigrationReport
from classroom.migrate_compose.project_files import ComposeProject


def test_a_backup_has_its_keys() -> None:
    result = BackupResult("/backup", "4f2a", homes=1, accounts=1, files=9, added=100, vanished=0, problems=())
    assert sorted(result.as_data()) == [
        "accounts", "added", "files", "homes", "id", "left_out", "problems", "vanished", "where",
    ]  # fmt: skip


def test_a_restore_has_its_keys() -> None:
    result = RestoreResult("4f2a", "2026-11-27", homes=(), accounts=True, kept=None, settings=None)
    assert sorted(result.as_data()) == ["accounts", "homes", "id", "kept", "made", "settings"]


def test_a_migration_has_its_keys() -> None:
    project = ComposeProject(Path("/old"), None, None, None, None, None)
    data = MigrationReport(project, (MigratedAccount("ada", "create", "approved"),), (), (), {}).as_data()
    assert sorted(data) == ["left", "notes", "original", "people", "settings"]
    assert sorted(data["original"]) == ["config", "database", "environment", "folder", "notebooks", "users"]
    assert sorted(data["people"][0]) == ["account", "bytes", "files", "filesAreThere", "home", "name", "standing"]


def test_a_gpu_test_has_its_keys() -> None:
    assert sorted(TestResult("0", works=True, output="").as_data()) == ["device", "holder", "said", "works"]
