"""Time zone of the machine, for students' servers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")


def machine_zone(variables: Mapping[str, str], link: Path = Path("/etc/localtime")) -> str:
    """Return the name of the time zone, such as `Europe/Berlin`; "" if the machine names none.

    Args:
        variables: the environment; `TZ` comes first (tzset(3)).
        link: to a file of the time zone database (localtime(5)).
    """
    zone = variables.get("TZ", "").removeprefix(":") or str(link.resolve()).partition("/zoneinfo/")[2]
    return zone if _NAME.fullmatch(zone) else ""
