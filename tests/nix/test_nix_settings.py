"""The option `settings`: the content of settings.json, of which every module may define a part."""

from __future__ import annotations

from typing import Any

import pytest

from nix.evaluation import NixError, evaluate


def rendered(*modules: str) -> Any:
    """Return settings.json of minimal.nix with modules that define services.classroom."""
    imports = " ".join(f"({{ lib, ... }}: {{ services.classroom = {{ {module} }}; }})" for module in modules)
    return evaluate(f"t.rendered {{ imports = [ {imports} ]; }}")


def test_a_definition_replaces_the_options_value() -> None:
    found = rendered('student.memory = "8G"; student.cpus = 3; settings.student.memory = "4G";')
    assert (found["student"]["memory"], found["student"]["cpus"]) == ("4G", 3)


def test_modules_that_define_different_keys_merge() -> None:
    found = rendered('settings.culling.every = "30s";', 'settings.culling.idle = "3h";', "settings.new.key = [ 1 ];")
    assert (found["culling"]["every"], found["culling"]["idle"], found["new"]) == ("30s", "3h", {"key": [1]})


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [('"4G"', 'lib.mkForce "5G"', "5G"), ('"4G"', 'lib.mkDefault "5G"', "4G")],
    ids=["mkForce", "mkDefault"],
)
@pytest.mark.parametrize("key", ["student.memory", "student.colour"])
def test_priorities_decide_between_two_definitions(key: str, first: str, second: str, wins: str) -> None:
    section, name = key.split(".")
    assert rendered(f"settings.{key} = {first};", f"settings.{key} = {second};")[section][name] == wins


def test_a_default_of_a_module_replaces_the_options_value() -> None:
    assert rendered('student.memory = "8G"; settings.student.memory = lib.mkDefault "5G";')["student"]["memory"] == "5G"


def test_two_different_values_of_equal_priority_are_a_conflict() -> None:
    with pytest.raises(NixError, match=r"services.classroom.settings.student.colour.* has conflicting definition"):
        rendered('settings.student.colour = "red";', 'settings.student.colour = "blue";')


def test_one_key_of_a_group_leaves_the_others() -> None:
    found = rendered('groups.ml = { members = [ "ada" ]; memory = "4G"; }; groups.web.cpus = 2;',
                     'settings.groups.ml.memory = "6G";')["groups"]  # fmt: skip
    assert (found["ml"]["members"], found["ml"]["memory"], found["web"]["cpus"]) == (["ada"], "6G", 2)


def test_a_list_replaces_the_options_list() -> None:
    assert rendered('settings.admins = [ "assistant" ];')["admins"] == ["assistant"]


def test_a_value_of_a_setting_has_the_options_type() -> None:
    with pytest.raises(NixError, match=r"services.classroom.settings.student.memory.* is not of type"):
        rendered('settings.student.memory = "4 GB";')
