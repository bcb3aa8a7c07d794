from __future__ import annotations

from pathlib import Path

from classroom.settings.models import Settings
from classroom.storage.unmoved import UnmovedHomes, read_unmoved, record_unmoved

OLD = Path("/srv/homes")


def test_the_record_lasts_until_all_homes_are_moved(tmp_path: Path) -> None:
    settings = Settings.model_validate({"paths": {"state": str(tmp_path)}})
    assert read_unmoved(settings) == UnmovedHomes()
    record_unmoved(tmp_path, OLD, ["b", "a"])
    assert read_unmoved(settings) == UnmovedHomes(OLD, frozenset({"a", "b"}))
    assert read_unmoved(settings).command == "classroom homes move --from /srv/homes"
    record_unmoved(tmp_path, OLD, [])
    assert list(tmp_path.iterdir()) == []


def test_with_the_old_place_in_the_settings_again_no_home_waits(tmp_path: Path) -> None:
    storage = {"kind": "directory", "path": str(OLD)}
    settings = Settings.model_validate({"paths": {"state": str(tmp_path)}, "storage": storage})
    record_unmoved(tmp_path, OLD, ["a"])
    assert read_unmoved(settings) == UnmovedHomes()
    record_unmoved(tmp_path, None, ["a"])
    assert read_unmoved(settings).command == "classroom homes move"
