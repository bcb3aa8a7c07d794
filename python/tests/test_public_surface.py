from __future__ import annotations

import json
from pathlib import Path

import pytest
from public_surface import surface

RECORDED = json.loads(Path(__file__).with_name("public_surface.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", sorted(RECORDED))
def test_the_public_surface_is_as_recorded(part: str) -> None:
    current = json.loads(json.dumps(surface()[part]))
    assert current == RECORDED[part], "for an intended change: python public_surface.py > public_surface.json"
