from __future__ import annotations

from pathlib import Path

from classroom.student.installed import message, parts

BROWSER = ".local/share/jupyter/labextensions"
SERVER = ".local/etc/jupyter/jupyter_server_config.d"


def add(home: Path, file: str) -> None:
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).touch()


def test_a_message_says_what_to_do_about_new_parts(tmp_path: Path) -> None:
    add(tmp_path, f"{SERVER}/old.json")
    before = parts(tmp_path)
    assert message(before, parts(tmp_path)) == ""
    add(tmp_path, f"{BROWSER}/@scope/widget/package.json")
    assert message(before, parts(tmp_path)).startswith("Reload this page in the browser")
    add(tmp_path, f"{SERVER}/jupyter_new.json")
    text = message(before, parts(tmp_path))
    assert "the part of jupyter_new that belongs" in text
    assert "old" not in text
