"""Systems of the hosts in tests/hosts, and what each needs to boot without a network."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from machine import record
from machine.roots import machine_root
from nix import image_build
from nix.evaluation import build
from stack.roots import engine_root

_HERE = Path(__file__).parent

PLAIN = "{ lib, ... }: { services.classroom = { domain = lib.mkForce null; tls.acme.enable = lib.mkForce false; }; }"
"""A module that makes minimal.nix a class without a domain: every name of the machine reaches it."""
LOCAL = {
    "minimal": "./certified.nix",
    "tunnel": "{ }",
    "gpu": "./driverless.nix",
    "everything": "./everything.nix",
}
"""By the name of a host: what replaces what cannot be had here, such as Let's Encrypt and NVIDIA's driver."""


@functools.cache
def build_system(host: str | None, *modules: str, image: bool = False, root: Path | None = None) -> Path:
    """Build a system and return its toplevel.

    Args:
        host: a file of tests/hosts; None for a machine without a class.
        modules: further modules, as Nix expressions.
        image: with the student image of images/student.nix; otherwise the image has only a shell.
        root: a Debian with D-Bus in the place of the machines' own.

    Raises:
        NixError: it does not build.
    """
    prefix = Path(sys.prefix)
    student = f"{image_build.expression()}.studentImageCpu" if image else "null"
    imports = " ".join(f"({module})" for module in modules).replace("./", f"{_HERE}/")
    root = root or machine_root()
    name = "null" if host is None else f'"{host}"'
    return build(
        f'import {_HERE}/system.nix {{ gixy = "{prefix}/bin/gixy"; environment = "{prefix}"; '
        f'root = "{root}"; host = {name}; image = {student}; module = {{ imports = [ {imports} ]; }}; }}'
    )


def read_fresh() -> dict[str, str]:
    """Build the host of recorded.nix and return its record.

    Raises:
        NixError: it does not build.
    """
    root = engine_root()
    return record.read(build_system(None, "./recorded.nix", root=root), build_system(None, root=root))
