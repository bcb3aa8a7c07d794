"""Public surface: commands and options, settings and defaults, routes, metrics.

`python public_surface.py > public_surface.json` records an intended change.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer.main

from classroom.cli.main import app
from classroom.gpus import metrics
from classroom.settings.file import json_schema
from classroom.web.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ("get", "post", "put", "patch", "delete")


def commands(command: Any, path: str = "classroom") -> dict[str, list[str]]:
    """Return the options and arguments of a command and of all below it."""
    words = sorted(
        word
        for parameter in command.params
        for word in (
            [*parameter.opts, *parameter.secondary_opts] if parameter.param_type_name == "option" else [parameter.name]
        )
    )
    below = [commands(other, f"{path} {name}") for name, other in getattr(command, "commands", {}).items()]
    return {path: words} | {key: value for found in below for key, value in found.items()}


def settings() -> dict[str, Any]:
    """Return each setting's default by its path."""
    schema = json_schema()
    return dict(_settings(schema, schema, ""))


def _settings(schema: dict[str, Any], node: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in _section(schema, node).get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        entries = value.get("additionalProperties")
        if "properties" in _section(schema, value):
            yield from _settings(schema, value, here)
        elif isinstance(entries, dict) and "properties" in _section(schema, entries):
            yield from _settings(schema, entries, f"{here}.NAME")
        else:
            yield here, value.get("default")


def _section(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for other in node.get("anyOf", []) + node.get("allOf", []):
        if "properties" in (found := _section(schema, other)):
            return found
    return schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def routes() -> dict[str, list[str]]:
    """Return the methods that our own classes answer, by path below /hub."""
    return {
        route[0]: [
            method
            for method in METHODS
            if any(method in vars(kind) for kind in route[1].__mro__ if kind.__module__.startswith("classroom"))
        ]
        for route in ROUTES
    }


def metric_names() -> dict[str, list[str]]:
    """Return type and labels of each metric."""
    return {
        metric._name: [metric._type, *metric._labelnames]  # noqa: SLF001 - prometheus_client has no other way
        for metric in vars(metrics).values()
        if hasattr(metric, "_labelnames")
    }


def surface() -> dict[str, Any]:
    """Return the complete surface."""
    return {
        "commands": commands(typer.main.get_command(app)),
        "metrics": metric_names(),
        "routes": routes(),
        "settings": settings(),
    }


if __name__ == "__main__":
    print(json.dumps(surface(), indent=1, sort_keys=True))  # noqa: T201
