"""The list of attacks, the marks of the tests, and what README and docs say about them agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.attacks import PAGE, security_page, summary
from support.attacks import Outcome, attacks, marked_tests

TOP = Path(__file__).parents[2]
MARKED = marked_tests()
ATTACKS = {attack.number: attack for attack in attacks()}


def test_each_attack_has_one_number_and_the_list_is_in_their_order() -> None:
    numbers = [attack.number for attack in attacks()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("number", ATTACKS)
def test_an_attack_has_a_test_or_a_reason(number: int) -> None:
    attack = ATTACKS[number]
    if attack.outcome is Outcome.KEPT_OUT:
        assert MARKED.get(number), f"no test is marked attack({number}): {attack.promise}"
    else:
        assert attack.reason, "say why the attack works"


def test_each_mark_names_an_attack_of_the_list() -> None:
    assert set(MARKED) <= set(ATTACKS)


def test_an_unknown_outcome_is_a_mistake() -> None:
    row = '[[attack]]\nnumber = 1\nfrom = "home"\ntried = "x"\npromise = "x"\nto = "x"\noutcome = "fine"\n'
    with pytest.raises(ValueError, match="fine"):
        attacks(row)


def test_the_page_of_attacks_shows_the_list_and_the_marks() -> None:
    assert PAGE.read_text(encoding="utf-8") == security_page(), "run: make docs"


def test_the_readme_has_the_result_of_the_list() -> None:
    assert summary() in " ".join((TOP / "README.md").read_text(encoding="utf-8").split())
