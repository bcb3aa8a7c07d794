"""nix/pins.json says what python/locks and the packages themselves say."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nix.evaluation import REPOSITORY

PINS = json.loads((REPOSITORY / "nix/pins.json").read_text())
LOCKS = [REPOSITORY / "python/locks" / name for name in ("hub.txt", "student.txt")]

# In no lock: only images built by Nix contain them.
NIX_ONLY = {"jupyter-resource-usage", "jupyterlab-nvdashboard", "nbgitpuller"}

# Left out on purpose; nix/python.nix has the reason.
LEFT_OUT = {"rfc3987-syntax", "lark"}

# Dependencies of extras that a pin lists.
EXTRAS = {"fqdn", "idna", "isoduration", "jsonpointer", "uri-template", "webcolors"}


def locked(name: str) -> list[tuple[str, set[str]]]:
    lines = [line for lock in LOCKS for line in lock.read_text().replace("\\\n", " ").splitlines()]
    found = [(re.match(rf"{re.escape(name)}==([^ ;]+)", line), line) for line in lines]
    return [(match[1], set(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))) for match, line in found if match]


@pytest.mark.parametrize("name", sorted(set(PINS) - NIX_ONLY))
def test_a_pin_matches_the_locks(name: str) -> None:
    kind, _, digest = PINS[name]["hash"].partition("-")
    assert kind == "sha256"
    locks = locked(name)
    assert locks
    for version, hashes in locks:
        assert PINS[name]["version"] == version
        assert base64.b64decode(digest).hex() in hashes


@pytest.mark.parametrize("name", sorted(PINS))
def test_a_pin_lists_the_packages_requirements(name: str) -> None:
    try:
        requires = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not in this environment")
    if importlib.metadata.version(name) != PINS[name]["version"]:
        pytest.skip("another version is in this environment")
    needed = set()
    for text in requires:
        requirement = Requirement(text)
        # Python 3.12 and newer on Linux, as in nixpkgs.
        place = {"python_version": "3.13", "python_full_version": "3.13.0", "extra": ""}
        if requirement.marker is None or requirement.marker.evaluate(place):
            needed.add(canonicalize_name(requirement.name))
    assert needed - LEFT_OUT == set(PINS[name]["dependencies"]) - (EXTRAS if name == "jupyter-events" else set())


def test_the_hub_of_the_image_is_the_hub_of_the_student() -> None:
    hub, student = (re.search(r"^jupyterhub==(\S+)", lock.read_text(), re.MULTILINE) for lock in LOCKS)
    assert hub
    assert student
    assert hub[1] == student[1] == PINS["jupyterhub"]["version"]
