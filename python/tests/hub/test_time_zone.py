from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from classroom.hub.time_zone import machine_zone

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("variables", "target", "zone"),
    [
        pytest.param({}, "usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin", id="the link"),
        pytest.param({"TZ": ":Asia/Tokyo"}, "usr/share/zoneinfo/Europe/Berlin", "Asia/Tokyo", id="the variable first"),
        pytest.param({"TZ": "/etc/localtime"}, "x", "", id="a path"),
        pytest.param({"TZ": "Europe/.."}, "x", "", id="not the name of a zone"),
        pytest.param({}, "elsewhere/localtime", "", id="a copy of the file"),
    ],
)
def test_the_zone_is_the_machines(tmp_path: Path, variables: dict[str, str], target: str, zone: str) -> None:
    (tmp_path / "localtime").symlink_to(tmp_path / target)
    assert machine_zone(variables, tmp_path / "localtime") == zone


def test_a_machine_without_the_link_has_no_zone(tmp_path: Path) -> None:
    assert machine_zone({}, tmp_path / "localtime") == ""
