"""Reader of settings.json, or of a TOML file with the same keys, and the JSON Schema."""

from __future__ import annotations

import codecs
import json
import os
import re
import tomllib
import unicodedata
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from classroom.errors import ClassroomError
from classroom.settings.models import Settings
from classroom.typed_text import describe_character
from classroom.validation import message

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Variables of the original docker-compose project. They win over the file.
_ENVIRONMENT = {
    "DOCKER_NETWORK_NAME": ("network", "name"),
    "JUPYTERHUB_EXTERNAL_URL": ("site", "externalUrl"),
    "JUPYTERHUB_LOG_LEVEL": ("site", "logLevel"),
}


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a JSON file or, by its suffix, a TOML file.

    Args:
        path: the file.
        environment: variables that win over the file; `os.environ` by default.

    Raises:
        ClassroomError: the file cannot be read or has problems. Each line names the key, the problem and what to write.
    """
    try:
        raw = path.read_bytes()
        # Editors on Windows write a mark at the beginning.
        text = raw.decode("utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ClassroomError(f"{path}: cannot be read ({error}); name a readable settings file") from error
    try:
        data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise ClassroomError(f"{path}: not valid {kind}: {error}{_odd_character(text, error)}") from error
    if not isinstance(data, dict):
        raise ClassroomError(f'{path}: must contain an object; write {{"admins": ["teacher"]}} for the smallest one')
    _apply_environment(data, os.environ if environment is None else environment)
    try:
        return Settings.model_validate(data, by_name=False)
    except ValidationError as error:
        lines = (line for item in error.errors() for line in _message(item).splitlines())
        raise ClassroomError("\n".join(f"{path}: {line}" for line in lines)) from error


def _odd_character(text: str, error: Exception) -> str:
    """Return which character the error is at, if a word processor or a web page put it there in place of a plain one.

    Such are quotation marks, no-break spaces and what nobody sees.
    """
    place = re.search(r"line (\d+),? column (\d+)", str(error))
    line = text.splitlines()[int(place[1]) - 1 :][:1] if place else []
    index = next((index for index, letter in enumerate(line[0]) if _is_odd(letter)), None) if line else None
    return "" if index is None else f"; {describe_character(line[0], index)}: type a plain one"


def _is_odd(letter: str) -> bool:
    return not letter.isascii() and unicodedata.category(letter) in {"Cf", "Zs", "Pi", "Pf", "Ps", "Pd"}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of settings.json."""
    return Settings.model_json_schema(by_alias=True, mode="validation")


def _apply_environment(data: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, (section, key) in _ENVIRONMENT.items():
        if environment.get(name):
            part = data.setdefault(section, {})
            if isinstance(part, dict):
                part[key] = environment[name]


def _message(item: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails is a TypedDict of Any
    key = ".".join(str(part) for part in item["loc"] if part != "[key]") or "the file"
    if item["type"] == "extra_forbidden":
        return f"{key}: no such setting{_nearest(item['loc'])}"
    text = message(item)
    if not item["loc"] and item["type"] == "value_error":
        return text  # about several sections, which it names itself
    value = item["input"]
    shown = f", not {json.dumps(value, default=str)[:80]}" if isinstance(value, str | int | float | bool | None) else ""
    return f"{key}: {text}{shown}"


def _nearest(location: tuple[int | str, ...]) -> str:
    import difflib  # noqa: PLC0415 - only for a wrong key

    model: type[BaseModel] = Settings
    kind: Any = None
    for part in location[:-1]:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            kind = next((f.annotation for f in model.model_fields.values() if f.alias == part), None)
        if get_origin(kind) is dict:
            continue
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return ""
        model = kind
    keys = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(str(location[-1]), keys, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(keys)}"
