"""World of `tests/stack` at the other end of a machine's uplink: the hosts that the behaviour tests ask for."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from stack import world as stack_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class World(stack_world.World):
    """The hosts outside, as `Machine.outside`."""

    def prepare(self, tree: Path) -> None:
        """Leave a machine's files as they are."""

    def connect(self, pid: int) -> None:
        """Connect the uplink of a machine, whose process 1 has this number."""
        cable = f"link add outside netns {pid} type veth peer name world netns {self.pid}"
        subprocess.run(["ip", *cable.split()], check=True)
        self.serve()


@contextlib.contextmanager
def world(directory: Path) -> Iterator[World]:
    """Create the hosts, and end them afterwards."""
    made = World(directory / "outside.log")
    try:
        yield made
    finally:
        made.end()
