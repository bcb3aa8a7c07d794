"""Commands with `--filter label!=org.classroom.keep` leave what the class owns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from classroom.docker.container import KEEP, home_labels

TOP = Path(__file__).parents[3]


def test_homes_have_the_label() -> None:
    assert home_labels("ada")[KEEP] == "home"


@pytest.mark.parametrize("file", ["hub/Dockerfile", "student/Dockerfile", "hub.nix", "student.nix"])
def test_images_have_the_label(file: str) -> None:
    text = (TOP / "images" / file).read_text(encoding="utf-8")
    assert re.search(rf'"?{re.escape(KEEP)}"? ?= ?"?(hub|student)\b', text)


def test_the_volume_with_the_state_of_a_class_in_containers_has_the_label() -> None:
    volumes = yaml.safe_load((TOP / "images/compose/compose.yaml").read_text(encoding="utf-8"))["volumes"]
    kept = {name for name, options in volumes.items() if (options or {}).get("driver_opts", {}).get("type") != "tmpfs"}
    assert kept == {"state"}
    assert volumes["state"]["labels"] == {KEEP: "state"}
