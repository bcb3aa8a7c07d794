from pathlib import Path

from classroom.settings.docs import render

DOCUMENT = Path(__file__).parents[3] / "docs/reference/settings.md"


def test_the_settings_page_is_current() -> None:
    assert DOCUMENT.read_text() == render(), "run: make docs"
