"""What README, docs and messages name, exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from classroom.cli.main import app

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
_COMMAND = re.compile(r"(?:^|[\s(`])classroom ([a-z][^`\n)]*)")


def named(text: str) -> Iterator[str]:
    """Command lines in code: blocks, fenced or indented, and inline."""
    text = re.sub(r"^```(?!sh|console|bash)\w+\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"^```.*?\n(.*?)^```|^((?: {4}[^\n]*\n)+)", text, flags=re.MULTILINE | re.DOTALL):
        for line in "".join(block).splitlines():
            yield from _COMMAND.findall(line.split(" #")[0])
    prose = re.sub(r"^```.*?^```|^ {4}[^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    for inline in re.findall(r"`([^`]+)`", prose):
        yield from _COMMAND.findall(" ".join(inline.split()))


def mistake(line: str) -> str:
    """What is wrong with a command line; empty if nothing is."""
    command: Any = typer.main.get_command(app)
    words = re.split(r"\s[|;&]", line)[0].split()
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            # A group that does something itself takes options.
            if command.invoke_without_command and words[0].startswith("-"):
                break
            return f"no command {words[0]}"
        command = command.commands[words.pop(0)]
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    unknown = [word for word in words if re.match(r"-{1,2}[a-z]", word) and word.split("=")[0] not in options]
    return f"no option {unknown[0]}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    found = {line: said for line in named(page.read_text(encoding="utf-8")) if (said := mistake(line))}
    assert found == {}


def messages(source: str) -> Iterator[str]:
    """Texts of a program that are no documentation of it."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_every_command_that_a_message_names_exists() -> None:
    found = {
        line: said
        for file in (TOP / "python/src/classroom").rglob("*.py")
        for message in messages(file.read_text(encoding="utf-8"))
        for line in re.findall(r"\bclassroom ((?:[a-z][a-z-]*\b ?){1,3})", message)
        if (said := mistake(line))
    }
    assert found == {}


def test_commands_are_found_where_pages_have_them() -> None:
    lines = set(named((TOP / "docs/how-to/accounts.md").read_text(encoding="utf-8")))
    assert {"users import class.csv --dry-run", "users list", "users codes"} <= lines


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("users add NAME...", ""),
        ("gpus", ""),
        ("storage --json", ""),
        ("man | man -l -", ""),
        ("users ad NAME", "no command ad"),
        ("users add NAME --grup ml", "no option --grup"),
        ("frobnicate", "no command frobnicate"),
    ],
)
def test_a_command_that_is_not_there_would_be_noticed(line: str, said: str) -> None:
    assert mistake(line) == said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_linked_exists(page: Path) -> None:
    prose = re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([\w./-]+)(?:#[^)]*)?\)", prose)
    assert [link for link in links if not (page.parent / link).exists()] == []
