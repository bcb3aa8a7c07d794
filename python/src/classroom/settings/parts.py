"""What each unit reads of the settings: a change of other settings does not restart it.

`make docs` writes `PARTS` into modules/options/parts.json, for `restartTriggers` of the NixOS module. The commands read
through `part`, so what is not listed here has its default everywhere, and tests notice.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from classroom.settings.models import Settings

_Model = TypeVar("_Model", bound=BaseModel)

PARTS = {
    "gpus": ("gpu.samples",),
    "images": ("docker.host", "paths.images"),
    "mps": ("gpu.mps",),
    "network": ("docker.host", "network"),
    "proxy": ("hub.listen", "paths", "proxy", "site.origins"),
    "resolver": ("network",),
}
"""Keys of the settings by the unit's name without "classroom-". The hub reads all; the engine's filter and the homes
helper read the file again after each change."""


def part(settings: Settings, unit: str) -> Settings:
    """Return the settings that a unit reads; all others have their defaults.

    Args:
        settings: of the class.
        unit: a key of `PARTS`.
    """
    result = Settings()
    for key in PARTS[unit]:
        result = _copy(settings, result, key.split("."))
    return result


def render_parts() -> str:
    """Return the text of modules/options/parts.json: for each unit, paths of options."""
    paths = {unit: [key.split(".") for key in keys] for unit, keys in PARTS.items()}
    return json.dumps(paths, indent=2) + "\n"


def _copy(source: _Model, target: _Model, path: list[str]) -> _Model:
    name, *below = path
    value = getattr(source, name)
    if below:
        value = _copy(value, getattr(target, name), below)
    return target.model_copy(update={name: value})


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_parts(), encoding="utf-8")
