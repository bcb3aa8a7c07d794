"""Literal values in the project's jupyterhub_config.py. The file is parsed and never run."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classroom.migrate_compose.project_files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator


def configured_settings(tree: ast.Module, notebooks: Path | None, notes: list[str]) -> dict[tuple[str, ...], Any]:
    """Return settings of GPUs and limits, by the path of their keys.

    Args:
        tree: the syntax of the file.
        notebooks: the directory with the students' files that is migrated.
        notes: gets a sentence for each thing that the operator should know.
    """
    values: dict[tuple[str, ...], Any] = {}
    for request in _dictionaries(tree):
        if isinstance(devices := request.get("DeviceIDs"), list) and devices:
            values["gpu", "policy"], values["gpu", "devices"] = "devices", [str(device) for device in devices]
        elif request.get("Count") == -1:
            values["gpu", "policy"] = "all"
        elif isinstance(count := request.get("Count"), int) and count > 0:
            # The engine gave the same GPUs to everyone; the author meant one set for each student.
            values["gpu", "policy"], values["gpu", "perStudent"] = "exclusive", count
        if isinstance(memory := request.get("mem_limit"), str) and (size := _size(memory)):
            values["student", "memory"] = size
        if isinstance(quota := request.get("cpu_quota"), int) and quota > 0:
            values["student", "cpus"] = quota / (request.get("cpu_period") or 100_000)
    path = _assigned(tree, "STUDENT_DATA_PATH")
    if isinstance(path, str) and Path(path).is_dir() and Path(path).resolve() != notebooks:
        notes.append(f"The students' servers had their files in {path}: add --notebooks {path} to migrate those")
    return values


def _size(written: str) -> str | None:
    match = re.fullmatch(r"(\d+)([bkmgt]?)b?", written.lower())
    return f"{match[1]}{match[2].upper().replace('B', '')}" if match else None


def parse_hub_config(path: Path, notes: list[str]) -> ast.Module | None:
    """Return the syntax of the file; None, and a note, where it is not Python.

    Raises:
        ClassroomError: it cannot be read.
    """
    try:
        return ast.parse(read_text(path))
    except (SyntaxError, ValueError):
        notes.append(f"{path} is not valid Python, so its GPUs and limits are unknown; write them into the settings")
        return None


def _dictionaries(tree: ast.Module) -> Iterator[dict[str, Any]]:
    """Yield each dictionary of the file, with None for values that are not literals."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield {
                str(key.value): _literal(value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }


def _literal(node: ast.expr) -> Any:  # noqa: ANN401 - any literal
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _assigned(tree: ast.Module, name: str) -> Any:  # noqa: ANN401 - as above
    value = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target = node.targets[-1]
            assigned = (
                target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
            )
            if assigned == name:
                value = _literal(node.value)
    return value


def configured_admins(tree: ast.Module | None) -> list[str]:
    """Return the names in `admin_users`."""
    names = _assigned(tree, "admin_users") if tree else None
    return sorted(str(name) for name in names) if isinstance(names, set | list | tuple) else []
