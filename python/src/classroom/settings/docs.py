"""Reference page of the settings, docs/reference/settings.md, rendered from the models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from classroom.settings.file import json_schema
from classroom.settings.models import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """# Settings

One file says what a class is: JSON, or TOML by its suffix. Every key has a default; the smallest useful file is
`{"admins": ["teacher"]}`. `classroom check FILE` names each mistake and what to write instead; `classroom schema`
prints a JSON Schema for editors. Durations are "90s", "60m", "2h", "1d" or seconds; sizes "512M", "4G" or bytes.
Commands and pages show memory and disk in the same units, which are powers of 1024: a GPU that is sold with 80 GB has
79.6G.

The environment variables `JUPYTERHUB_EXTERNAL_URL`, `JUPYTERHUB_LOG_LEVEL` and `DOCKER_NETWORK_NAME` win over
`site.externalUrl`, `site.logLevel` and `network.name`; `JUPYTERHUB_CRYPT_KEY` wins over the generated key.

This page is made from the program by `make docs`.
"""


def render() -> str:
    """Return the page, in Markdown."""
    schema = json_schema()
    defaults = Settings().model_dump(mode="json", by_alias=True)
    return "\n".join([_INTRODUCTION, *_sections(schema, defaults), ""])


def _sections(schema: dict[str, Any], defaults: dict[str, Any]) -> Iterator[str]:
    plain = {key: value for key, value in schema["properties"].items() if "$ref" not in value}
    yield from _table("Top level", "", plain, defaults)
    for key, value in schema["properties"].items():
        if "$ref" in value:
            yield from _section(schema, key, value["$ref"], defaults[key])
        elif "$ref" in (below := value.get("additionalProperties", {})):
            yield from _section(schema, f"{key}.<name>", below["$ref"], None)


def _section(schema: dict[str, Any], path: str, reference: str, defaults: dict[str, Any] | None) -> Iterator[str]:
    model = schema["$defs"][reference.rsplit("/", 1)[1]]
    if defaults is None:  # a section that exists once for each name
        defaults = {key: value.get("default") for key, value in model["properties"].items()}
    plain = {key: value for key, value in model["properties"].items() if "$ref" not in value}
    yield from _table(f"`{path}`", model["description"], plain, defaults)
    for key, value in model["properties"].items():
        if "$ref" in value:
            yield from _section(schema, f"{path}.{key}", value["$ref"], defaults[key])


def _table(title: str, text: str, keys: dict[str, Any], defaults: dict[str, Any]) -> Iterator[str]:
    yield from (f"## {title}", "")
    if text:
        yield from (text, "")
    yield from ("| key | default | meaning |", "|---|---|---|")
    for key, value in keys.items():
        yield f"| `{key}` | `{json.dumps(defaults[key])}` | {_meaning(value)} |"
    yield ""


def _meaning(value: dict[str, Any]) -> str:
    choices = f" One of: {', '.join(value['enum'])}." if "enum" in value else ""
    return " ".join(value.get("description", "").split()) + choices
