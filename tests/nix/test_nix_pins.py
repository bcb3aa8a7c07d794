"""nix/pins.json says what python/locks and the packages themselves say; both students' images have one content."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nix.evaluation import REPOSITORY, evaluate, missing

PINS = json.loads((REPOSITORY / "nix/pins.json").read_text())
LOCKS = [REPOSITORY / "python/locks" / name for name in ("hub.txt", "student.txt")]

# In no lock: only images built by Nix contain them.
NIX_ONLY = {"jupyterlab-nvdashboard"}

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


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_nix_has_every_package_of_the_students_list() -> None:
    """images/student.nix takes the names from python/locks/student.in, for each image."""
    lines = (REPOSITORY / "python/locks/student.in").read_text().splitlines()
    names = {Requirement(line).name for line in lines if line and not line.startswith("#")}
    assert len(names) > 40
    absent = evaluate(
        "let pkgs = import <nixpkgs> { }; "
        f"python = import {REPOSITORY}/nix/python.nix {{ inherit (pkgs) lib; python = pkgs.python312; }}; "
        f"in pkgs.lib.filter (name: !(python.pkgs ? ${{name}})) (builtins.fromJSON ''{json.dumps(sorted(names))}'')"
    )
    assert absent == [], "add them to nix/pins.json"


# What images/student.nix calls a package of Debian; None, where it is a part of the image in another way.
IN_NIX = {
    "ca-certificates": None,
    "fonts-dejavu-core": "dejavu_fonts",
    "fonts-noto-color-emoji": "noto-fonts-color-emoji",
    "fonts-wqy-microhei": "wqy_microhei",
    "g++": "stdenv.cc",
    "gcc": "stdenv.cc",
    "libc6-dev": "stdenv.cc",
    "libharfbuzz-subset0": None,  # of weasyprint, as the next two
    "libpango-1.0-0": None,
    "libpangoft2-1.0-0": None,
    "libstdc++6": None,
    "make": "gnumake",
    "openssh-client": "openssh",
    "python3": None,
    "python3-dev": None,
    "python3-venv": None,
    "tzdata": None,
}

# Debian has these in every installation (Priority: required).
OF_DEBIAN = {
    "bashInteractive", "coreutils", "findutils", "gawk", "gnugrep", "gnused", "gnutar", "gzip", "which",
}  # fmt: skip


def test_both_images_have_the_same_programs_and_fonts() -> None:
    recipe = (REPOSITORY / "images/student.nix").read_text()
    nix = set()
    for argument in ("tools", "fonts"):
        found = re.search(rf"^  {argument} \? \[\n(.*?)^  \],$", recipe, re.MULTILINE | re.DOTALL)
        assert found
        nix |= {line.partition("#")[0].strip() for line in found[1].splitlines()}
    debian = (REPOSITORY / "images/student/packages.txt").read_text().split()
    assert {IN_NIX.get(name, name) for name in debian} - {None} | OF_DEBIAN == nix
