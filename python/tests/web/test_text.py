from __future__ import annotations

from datetime import timedelta

import pytest

from classroom.db.models import utc_now
from classroom.web.text import join_names, time_ago


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (90000, "1 day"),
        (200000, "2 days"),
    ],
)
def test_an_age_uses_the_largest_unit(seconds: int, words: str) -> None:
    moment = utc_now()
    assert time_ago(moment - timedelta(seconds=seconds), moment) == words


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("ada",), "ada"),
        (("ada", "bob"), "ada and bob"),
        (("a", "b", "c"), "a, b and c"),
        (tuple("abcdefg"), "a, b, c, d, e and 2 more"),
        (("x" * 99,), "x" * 32 + "…"),
    ],
)
def test_lists_of_names_stay_short(names: tuple[str, ...], words: str) -> None:
    assert join_names(names) == words
