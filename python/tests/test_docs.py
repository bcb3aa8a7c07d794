"""Commands, files, settings, addresses and metrics that README, docs and messages mention: they exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from jupyterhub.apihandlers import default_handlers as api_handlers
from jupyterhub.handlers import default_handlers as hub_handlers
from prometheus_client.metrics import MetricWrapperBase

from classroom.cli.main import app
from classroom.gpus import metrics
from classroom.settings.models import Settings
from classroom.web.routes import ROUTES

TOP = Path(__file__).parents[2]
PAGES = [*sorted(TOP.glob("*.md")), *sorted((TOP / "docs").rglob("*.md"))]
_COMMAND = re.compile(r"(?:^|[\s(`])classroom ([a-z][^`\n)]*)")


def named(text: str) -> Iterator[str]:
    """Yield command lines in code: fenced or indented blocks, and inline code."""
    text = re.sub(r"^```(?!sh|console|bash)\w+\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"^```.*?\n(.*?)^```|^((?: {4}[^\n]*\n)+)", text, flags=re.MULTILINE | re.DOTALL):
        for line in "".join(block).splitlines():
            yield from _COMMAND.findall(line.split(" #")[0])
    prose = re.sub(r"^```.*?^```|^ {4}[^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    for inline in re.findall(r"`([^`]+)`", prose):
        yield from _COMMAND.findall(" ".join(inline.split()))


def mistake(line: str) -> str:
    """Return the problem of a command line; empty if it is correct."""
    command: Any = typer.main.get_command(app)
    words = re.split(r"\s[|;&]", line)[0].split()
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            # A group with its own action takes options.
            if command.invoke_without_command and words[0].startswith("-"):
                break
            return f"no command {words[0]}"
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    unknown = [word for word in words if re.match(r"-{1,2}[a-z]", word) and word.split("=")[0] not in options]
    return f"no option {unknown[0]}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_command_of_the_docs_exists(page: Path) -> None:
    found = {line: problem for line in named(page.read_text(encoding="utf-8")) if (problem := mistake(line))}
    assert found == {}


def messages(source: str) -> Iterator[str]:
    """Return the texts of a program except its documentation."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_every_command_in_a_message_exists() -> None:
    found = {
        line: problem
        for file in (TOP / "python/src/classroom").rglob("*.py")
        for message in messages(file.read_text(encoding="utf-8"))
        for line in re.findall(r"\bclassroom ((?:[a-z][a-z-]*\b ?){1,3})", message)
        if (problem := mistake(line))
    }
    assert found == {}


def test_commands_in_pages_are_found() -> None:
    lines = set(named((TOP / "docs/how-to/accounts.md").read_text(encoding="utf-8")))
    assert {"users import class.csv --dry-run", "users list", "users codes"} <= lines


@pytest.mark.parametrize(
    ("line", "problem"),
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
def test_a_missing_command_is_found(line: str, problem: str) -> None:
    assert mistake(line) == problem


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_linked_file_exists(page: Path) -> None:
    prose = re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([\w./-]+)(?:#[^)]*)?\)", prose)
    assert [link for link in links if not (page.parent / link).exists()] == []


def option_names() -> set[str]:
    """Return the options that the reference lists."""
    reference = (TOP / "docs/reference/options.md").read_text(encoding="utf-8").replace("\\", "")
    return set(re.findall(r"^## services\.classroom\.(\S+)$", reference, flags=re.MULTILINE))


def setting_names() -> set[str]:
    """Return the keys of the settings, as the schema nests them; NAME stands for a name that the operator chooses."""

    def nested(schema: dict[str, Any], path: str) -> Iterator[str]:
        for candidate in (schema, *schema.get("anyOf", [])):
            resolved = definitions[candidate["$ref"].rpartition("/")[2]] if "$ref" in candidate else candidate
            for key, value in resolved.get("properties", {}).items():
                yield f"{path}{key}"
                yield from nested(value, f"{path}{key}.")
            if isinstance(value := resolved.get("additionalProperties"), dict):
                yield f"{path}NAME"
                yield from nested(value, f"{path}NAME.")

    root = Settings.model_json_schema(by_alias=True)
    definitions = root["$defs"]
    return set(nested(root, ""))


def unknown_names(text: str, known: set[str]) -> list[str]:
    """Return the dotted settings and options in code spans that do not exist."""
    tops = {name.partition(".")[0] for name in known}
    unknown = []
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        dotted = re.match(r"(?:(services\.classroom)\.?)?([a-zA-Z]+(?:\.\w+)*)?(?= = |$)", code)
        if not dotted or not (name := dotted[2]) or "." not in name + "." * bool(dotted[1]):
            continue
        if not dotted[1] and (name.partition(".")[0] not in tops or name.rpartition(".")[2] in {"json", "toml"}):
            continue
        if not any(
            re.fullmatch(re.sub(r"<name>|NAME", r"[^.]+", re.escape(prefix)), name) for prefix in prefixes(known)
        ):
            unknown.append(name)
    return unknown


def prefixes(names: set[str]) -> set[str]:
    """Return dotted names and the sections that contain them."""
    return {
        ".".join(parts[:length]) for name in names for parts in [name.split(".")] for length in range(1, len(parts) + 1)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_setting_and_option_of_the_docs_exists(page: Path) -> None:
    assert unknown_names(page.read_text(encoding="utf-8"), option_names() | setting_names()) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("`gpu.policy` and `services.classroom.gpu.policy`, `groups.ml.memory`, `settings.json`", []),
        ("`gpu.polcy`", ["gpu.polcy"]),
        ("`services.classroom.frobnicate`", ["frobnicate"]),
        ('`gpu.polcy = "all"`', ["gpu.polcy"]),
    ],
)
def test_a_missing_setting_is_found(text: str, names: list[str]) -> None:
    assert unknown_names(text, option_names() | setting_names()) == names


def unknown_addresses(text: str) -> list[str]:
    """Return the addresses below /hub/ in code spans that no route answers."""
    patterns = [pattern for pattern, *_ in (*ROUTES, *hub_handlers, *api_handlers)]
    addresses = re.findall(r"`/hub(/[^`\s]*)`", text)
    return [
        address
        for address in addresses
        if "(" not in address
        and not address.endswith("...")
        and address != "/api/"
        and not any(re.fullmatch(pattern, address.split("?")[0]) for pattern in patterns)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_address_of_the_docs_exists(page: Path) -> None:
    assert unknown_addresses(page.read_text(encoding="utf-8")) == []


def test_a_missing_address_is_found() -> None:
    assert unknown_addresses("`/hub/authorize`, `/hub/autorize`") == ["/autorize"]


def unknown_metrics(text: str) -> list[str]:
    """Return the names of GPU metrics that the hub does not have."""
    names = {collector._name for collector in vars(metrics).values() if isinstance(collector, MetricWrapperBase)}  # noqa: SLF001
    return [
        name for name in re.findall(r"`(classroom_gpu_\w+)`", text) if name.removesuffix("_total") not in names | TABLES
    ]


TABLES = {"classroom_gpu_use"}
"""Tables of the database whose names look like metrics."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_metric_of_the_docs_exists(page: Path) -> None:
    assert unknown_metrics(page.read_text(encoding="utf-8")) == []


def test_a_missing_metric_is_found() -> None:
    assert unknown_metrics("`classroom_gpu_devices`, `classroom_gpu_devises`") == ["classroom_gpu_devises"]
