"""The generated reference pages are up to date."""

from __future__ import annotations

import pytest

from docs.generate import REFERENCE, reference_pages

PAGES = reference_pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_shows_the_current_code(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name], "run: make docs"
