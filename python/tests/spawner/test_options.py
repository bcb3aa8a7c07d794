from __future__ import annotations

from typing import Any

import pytest

from classroom.spawner.docker import options_from_form, wants_gpu


@pytest.mark.parametrize(
    ("form", "wants"),
    [
        ({}, True),
        ({"_xsrf": ["2|a"]}, True),
        ({"gpu": ["no"]}, False),
        ({"gpu": ["no", "no"]}, None),
        ({"gpu": ["yes"]}, None),
        ({"gpu": ["nvidia.com/gpu=0"]}, None),
        ({"image": ["evil"]}, None),
        ({"gpu": ["no"], "image": ["evil"]}, None),
    ],
)
def test_a_start_has_one_option_with_one_value(form: dict[str, list[str]], wants: Any) -> None:
    assert wants_gpu(options_from_form(form)) is wants


@pytest.mark.attack(69)
@pytest.mark.parametrize("options", [{"gpu": False}, {"gpu": None}, {"gpu": ["no"]}, {"GPU": "no"}, {1: 2}])
def test_options_of_the_api_are_checked_in_the_same_way(options: dict[str, object]) -> None:
    assert wants_gpu(options) is None
