"""Attacks that were tried on a class: the list `tests/redteam/attacks.toml`, and the tests that carry its promises."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
LIST = REPOSITORY / "tests/redteam/attacks.toml"


class Outcome(Enum):
    """Whether an attack works."""

    KEPT_OUT = "kept out"
    BY_DESIGN = "by design"
    """It works, for the reason given."""
    OPEN = "open"
    """It works, and will not."""


class Origin(Enum):
    """Where the attacker is."""

    PAGE = "page"
    OUTSIDE = "outside"
    CONTAINER = "container"
    HOME = "home"


@dataclass(frozen=True)
class Attack:
    """One attack that was tried."""

    number: int
    origin: Origin
    tried: str
    """What the attacker does."""
    promise: str
    """What holds, or for attacks that work what does not."""
    to: str
    """To whom it is promised."""
    outcome: Outcome
    reason: str = ""
    """Why an attack works, or why no test shows the promise."""


def attacks(text: str = "") -> list[Attack]:
    """Return the attacks of the list.

    Raises:
        ValueError: an outcome or an origin is unknown.
        TypeError: a field is missing or unknown.
    """
    rows = tomllib.loads(text or LIST.read_text(encoding="utf-8"))["attack"]
    return [Attack(origin=Origin(row.pop("from")), outcome=Outcome(row.pop("outcome")), **row) for row in rows]


def marked_tests() -> dict[int, list[tuple[str, str]]]:
    """Return file and name of the tests marked `attack(NUMBER, ...)`, by number."""
    found: dict[int, list[tuple[str, str]]] = {}
    for folder in ("tests", "python/tests"):
        for file in sorted((REPOSITORY / folder).rglob("test_*.py")):
            name = str(file.relative_to(REPOSITORY))
            for number, test in _marks(file.read_text(encoding="utf-8")):
                if (name, test) not in found.setdefault(number, []):
                    found[number].append((name, test))
    return found


def _marks(source: str) -> Iterator[tuple[int, str]]:
    """Yield number and test of each mark, on the function or on one of its parameters."""
    if "mark.attack(" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [call for decorator in node.decorator_list for call in ast.walk(decorator)]
            for call in calls:
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.attack":
                    yield from ((ast.literal_eval(argument), node.name) for argument in call.args)
