from pathlib import Path

from classroom.settings.docs import render

DOCUMENT = Path(__file__).parents[3] / "docs/reference/settings.md"


def test_the_settings_page_says_what_the_program_says() -> None:
    assert DOCUMENT.read_text() == render(), "run: make docs"
