"""Requests of the hub for what a command has removed from the engine, and what the hub has no right to make again.

Each is an empty file in the state directory. On NixOS a unit of root watches it (modules/network.nix, images.nix).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def request_network(state: Path) -> None:
    """Ask for `classroom.docker.network.network_up`."""
    _write(state / "network-missing")


def request_images(state: Path) -> None:
    """Ask for the images of the settings."""
    _write(state / "images-missing")


def _write(file: Path) -> None:
    # The units wait for the end of a write: an existing file is written again. On a full disk the request is left out.
    with contextlib.suppress(OSError):
        file.write_text("", encoding="ascii")
