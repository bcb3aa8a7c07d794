"""What the original's jupyterhub_config.py says in so many words. It is read, not run."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classroom.migrate_compose.project_files import text

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings(tree: ast.Module, notebooks: Path | None, notes: list[str]) -> dict[tuple[str, ...], Any]:
    """GPUs and limits, as settings by their paths.

    Args:
        tree: the file.
        notebooks: the students' folders that are taken.
        notes: what the operator should know is added.
    """
    wanted: dict[tuple[str, ...], Any] = {}
    for request in _dictionaries(tree):
        if isinstance(devices := request.get("DeviceIDs"), list) and devices:
            wanted["gpu", "policy"], wanted["gpu", "devices"] = "devices", [str(device) for device in devices]
        elif request.get("Count") == -1:
            wanted["gpu", "policy"] = "all"
        elif isinstance(count := request.get("Count"), int) and count > 0:
            # The engine gave the same GPUs to everyone; what was meant is this.
            wanted["gpu", "policy"], wanted["gpu", "perStudent"] = "exclusive", count
        if isinstance(memory := request.get("mem_limit"), str) and (size := _size(memory)):
            wanted["student", "memory"] = size
        if isinstance(quota := request.get("cpu_quota"), int) and quota > 0:
            wanted["student", "cpus"] = quota / (request.get("cpu_period") or 100_000)
    path = _assigned(tree, "STUDENT_DATA_PATH")
    if isinstance(path, str) and Path(path).is_dir() and Path(path).resolve() != notebooks:
        notes.append(f"The students' servers had their files in {path}: to take those name it with --notebooks")
    return wanted


def _size(written: str) -> str | None:
    match = re.fullmatch(r"(\d+)([bkmgt]?)b?", written.lower())
    return f"{match[1]}{match[2].upper().replace('B', '')}" if match else None


def parse(path: Path, notes: list[str]) -> ast.Module | None:
    """The file's syntax; None, and a note, where it has none. Nothing in it is run.

    Raises:
        ClassroomError: it cannot be read.
    """
    try:
        return ast.parse(text(path))
    except (SyntaxError, ValueError):
        notes.append(f"{path}: is not Python, so nothing is known of its GPUs and limits; write them into the settings")
        return None


def _dictionaries(tree: ast.Module) -> Iterator[dict[str, Any]]:
    """What is literal in the file's dictionaries."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield {
                str(key.value): _literal(value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }


def _literal(node: ast.expr) -> Any:  # noqa: ANN401 - whatever is written there
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _assigned(tree: ast.Module, name: str) -> Any:  # noqa: ANN401 - as above
    found = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target = node.targets[-1]
            called = (
                target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
            )
            if called == name:
                found = _literal(node.value)
    return found


def admins(tree: ast.Module | None) -> list[str]:
    """Whom the file names as admins."""
    found = _assigned(tree, "admin_users") if tree else None
    return sorted(str(name) for name in found) if isinstance(found, set | list | tuple) else []
