"""The tests of virtual machines evaluate, and their scripts are typed; they run in `nix flake check`, with KVM."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nix.evaluation import HERE, build, slow

TESTS = sorted(file.stem for file in (HERE.parent / "nixos").glob("*.nix"))


@slow
@pytest.mark.parametrize("name", TESTS)
def test_the_script_of_a_vm_test_is_typed(name: str, debian: None) -> None:  # noqa: ARG001
    gixy = Path(sys.prefix) / "bin/gixy"
    script = build(f'import {HERE}/vm.nix {{ gixy = "{gixy}"; name = "{name}"; }}')
    assert "machine." in script.read_text()
