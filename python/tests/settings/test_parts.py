from __future__ import annotations

from pathlib import Path

import pytest

from classroom.settings.models import Settings
from classroom.settings.parts import PARTS, part, render_parts

GENERATED = Path(__file__).parents[3] / "modules/options/parts.json"


def test_the_nixos_module_has_the_same_parts() -> None:
    assert GENERATED.read_text(encoding="utf-8") == render_parts(), "run: make docs"


@pytest.mark.parametrize("unit", PARTS)
def test_a_unit_reads_its_part_and_the_defaults_of_all_others(unit: str) -> None:
    assert part(Settings(), unit) == Settings()
    settings = Settings.model_validate(
        {
            "site": {"title": "Vision", "origins": "two", "externalUrl": "https://a.org/", "serversUrl": "https://b.org/"},
            "network": {"subnet": "10.9.0.0/20"},
            "gpu": {"samples": "/run/x.json", "policy": "shared", "mps": {"enable": True, "memory": "8G"}},
        },
        by_name=False,
    )  # fmt: skip
    read = part(settings, unit)
    assert read.site.title == Settings().site.title
    assert (read.site.origins == "two") == (unit == "proxy")
    assert (read.network == settings.network) == (unit in {"network", "resolver"})
    assert (read.gpu.mps == settings.gpu.mps) == (unit == "mps")
    assert (read.gpu.samples == settings.gpu.samples) == (unit == "gpus")
