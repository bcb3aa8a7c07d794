from __future__ import annotations

import csv
from pathlib import Path

import pytest

from classroom.cli.credential_sheet import CredentialCard, CredentialSheet, create_credential_files, deliver_passwords
from classroom.errors import ClassroomError, no_space_reason
from classroom.settings.models import Site

SITE = Site(title="<Class>", external_url="https://class.example.org/")
ACCOUNT = {"name": "ada", "full_name": "=cmd|' /C calc'!A0<b>", "password": "one&two"}


def test_a_card_escapes_input_and_omits_empty_fields() -> None:
    card = CredentialCard("<b>Ada</b>", (("Address", ""), ("Sign-up code", "a&b")))
    page = CredentialSheet("A & B", "It works once.", (card, card)).as_html()
    assert (
        page.count(
            "<article><h2>&lt;b&gt;Ada&lt;/b&gt;</h2><dl><dt>Sign-up code</dt><dd>a&amp;b</dd></dl>"
            "<p>It works once.</p></article>"
        )
        == 2
    )
    assert "<title>A &amp; B: 2 slips</title>" in page


def test_only_the_user_can_read_the_password_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with create_credential_files(str(tmp_path / "class")) as files:
        deliver_passwords([ACCOUNT, ACCOUNT | {"password": None}], SITE, files, as_json=False)
    rows = list(csv.reader((tmp_path / "class.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert rows == [["name", "full_name", "password"], ["ada", f"'{ACCOUNT['full_name']}", "one&two"]]
    page = (tmp_path / "class.html").read_text()
    assert "<dt>Username</dt><dd>ada</dd><dt>Password</dt><dd>one&amp;two</dd>" in page
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert "1 one-time passwords are in" in capsys.readouterr().out


def test_empty_files_are_removed_and_existing_files_stay(tmp_path: Path) -> None:
    with create_credential_files(str(tmp_path / "class")):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "class.html").write_text("precious")
    with pytest.raises(ClassroomError, match="exists already"), create_credential_files(str(tmp_path / "class")):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["class.html"]


@pytest.mark.parametrize("kind", ["csv", "html"])
def test_passwords_that_do_not_fit_on_the_disk_are_on_the_terminal(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with create_credential_files(str(tmp_path / "class")) as files:
        (tmp_path / f"class.{kind}").unlink()
        (tmp_path / f"class.{kind}").symlink_to("/dev/full")
        with pytest.raises(ClassroomError, match="Copy its content from above") as failed:
            deliver_passwords([ACCOUNT], SITE, files, as_json=False)
    assert "ada,'=cmd|' /C calc'!A0<b>,one&two\n" in capsys.readouterr().err
    assert no_space_reason(failed.value)
