"""A tutorial as a program: the files and commands of a page in docs/tutorials.

A fence with a title is a file (```` ```nix title="flake.nix" ````). A fence `console` is a session: lines that begin
with `$ ` are commands, and the others are the output. In it `…` stands for any text, or for any lines if it is alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^\d+\. (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A command of the page, and what the page says that it prints."""

    text: str
    output: str

    def is_answer(self, output: str) -> bool:
        """Return whether a command printed what the page shows."""
        lines = [_line(line) for line in self.output.splitlines()]
        return re.fullmatch("".join(lines), output.rstrip("\n") + "\n" if output else "") is not None


class Tutorial:
    """The parts of a page."""

    def __init__(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        fences = _FENCE.findall(text)
        self.files: dict[str, str] = {title: body for _, title, body in fences if title}
        """Texts of files by their names."""
        self.commands = [command for kind, _, body in fences if kind == "console" for command in _session(body)]
        self.steps: list[str] = _STEP.findall(text)
        """What the reader does in the browser."""


def _session(body: str) -> list[Command]:
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    return [Command(*part.split("\n", 1)) for part in parts[1:]]


def _line(line: str) -> str:
    if line == "…":
        return r"(?:[^\n]*\n)*"
    return ".*".join(re.escape(part) for part in line.split("…")) + r"\n"
