from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from classroom.docker.network import bridge_down, bridge_up
from classroom.errors import ClassroomError
from classroom.settings.models import Network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("act", [bridge_up, bridge_down])
def test_an_engine_that_is_away_is_reported(tmp_path: Path, act: Callable[[Network, str], None]) -> None:
    with pytest.raises(ClassroomError, match=r"unix:///.*: the Docker engine does not answer .*start it"):
        act(Network(), f"unix://{tmp_path}/docker.sock")
