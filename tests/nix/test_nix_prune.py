"""Forms of `virtualisation.docker.autoPrune`: those that would take something from the class are refused."""

from __future__ import annotations

from typing import Any

import pytest

from nix.evaluation import evaluate

KEEP = "label!=org.classroom.keep"
STORAGE = {"volumes": "", "directory": 'services.classroom.storage = { kind = "directory"; path = "/srv/homes"; };'}
# An option since NixOS 26.05.
ALL_VOLUMES = (
    'imports = lib.optional (lib.versionOlder lib.trivial.release "26.05") '
    "{ options.virtualisation.docker.autoPrune.allVolumes.enable = lib.mkEnableOption null; };"
)
# A form, and what it would take if homes are volumes, and if they are directories.
FORMS = {
    'flags = [ "--all" ];': ("", ""),
    "enable = true;": ("", ""),
    'enable = true; dates = "monthly";': ("", ""),
    f'enable = true; flags = [ "--all" "--filter={KEEP}" ];': ("", ""),
    f'enable = true; flags = [ "--filter" "{KEEP}" ];': ("", ""),
    'enable = true; flags = [ "--all" ];': ("the network and the images", "the network and the images"),
    "enable = true; flags = [ ];": ("the network and the images", "the network and the images"),
    'enable = true; flags = [ "--filter=until=24h" ];': ("the network and the images", "the network and the images"),
    f'enable = true; flags = [ "--volumes" "--filter={KEEP}" ];': ("homes are volumes", ""),
    "enable = true; allVolumes.enable = true;": ("homes are volumes", ""),
    "enable = true; allVolumes.enable = false;": ("", ""),
}
CASES = [(form, kind, FORMS[form][number]) for form in FORMS for number, kind in enumerate(STORAGE)]


@pytest.fixture(scope="module")
def messages() -> dict[str, list[str]]:
    """Return the messages of each case."""
    modules = " ".join(
        f'"{number}" = {{ lib, ... }}: {{ {ALL_VOLUMES} {STORAGE[kind]} '
        f"virtualisation.docker.autoPrune = {{ {form} }}; }};"
        for number, (form, kind, _) in enumerate(CASES)
    )
    found: dict[str, Any] = evaluate(f"t.assertions {{ {modules} }}")
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{kind}-{form}" for form, kind, _ in CASES])
def test_a_form_that_takes_something_from_the_class_is_refused(messages: dict[str, list[str]], number: int) -> None:
    said = " ".join(messages[str(number)])
    taken = CASES[number][2]
    assert taken in said if taken else said == ""
