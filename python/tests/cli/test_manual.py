from __future__ import annotations

import shutil
import subprocess

import pytest
import typer.main

from classroom.cli.main import app
from classroom.cli.manual import render_manual


@pytest.fixture(scope="module")
def text() -> str:
    return render_manual(typer.main.get_command(app))


def test_the_page_has_every_command(text: str) -> None:
    for line in (
        ".SS classroom users add NAME...",
        ".SS classroom adopt DIR",
        ".SS classroom network up",
        ".SS classroom storage",
        "\\fB\\-\\-dry\\-run\\fR, \\fB\\-n\\fR",
    ):
        assert line in text
    assert "settings\\-doc" not in text, "hidden commands are for developers"


def test_the_formatter_prints_no_warnings(text: str) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        [groff, "-ww", "-man", "-Tutf8", "-P-cbou"], input=text, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "classroom users import" in done.stdout
