"""Strict reader of requests to the Docker Engine: what two programs could read differently is refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

from classroom.docker.client import API_VERSION
from classroom.errors import ClassroomError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_Value = TypeVar("_Value")

PING = "/_ping"
MAX_BODY_BYTES = 256 * 1024
"""A request to create a container has 10 KB; its environment and seccomp profile are the largest parts."""

_MAX_TARGET = 8192  # characters
_VERSION = f"/v{API_VERSION}/"
_PATH = re.compile(r"[a-z]+(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class RefusedError(ClassroomError):
    """A request that the filter does not pass on; the message is one sentence that names the reason."""


@dataclass(frozen=True)
class Target:
    """Path and query of a request."""

    path: str
    """Without the version of the API: `containers/json`."""
    query: Mapping[str, str]


def parse_target(target: str) -> Target:
    """Return the path and the query of a request's target (RFC 9112, 3.2.1).

    Raises:
        RefusedError: another version of the API, a path that is not written plainly, or a query key that occurs twice.
    """
    if len(target) > _MAX_TARGET or not target.isascii() or not target.isprintable() or " " in target:
        raise RefusedError("The address of the request is too long or has characters that are not printable.")
    path, _, query = target.partition("?")
    if path == PING:
        if query:
            raise RefusedError(f"{PING} takes no query.")
        return Target(PING, {})
    if not path.startswith(_VERSION):
        raise RefusedError(f"The address does not begin with {_VERSION}.")
    path = path.removeprefix(_VERSION)
    if not _PATH.fullmatch(path) or any(part in {".", ".."} for part in path.split("/")):
        raise RefusedError("The path has characters or parts that no request of the hub has.")
    return Target(path, _parse_query(query))


def _parse_query(query: str) -> dict[str, str]:
    if ";" in query or "#" in query or _ESCAPE.search(query):
        raise RefusedError("The query has a character that programs read differently.")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError as error:
        raise RefusedError("The query is not a list of keys and values.") from error
    return _unique(pairs, "The query")


def parse_object(text: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object (RFC 8259).

    Args:
        text: in UTF-8.
        what: names it in a message.

    Raises:
        RefusedError: it is something else, or an object in it has a key twice; Go takes the last of two keys, also if
            they differ in case (https://pkg.go.dev/encoding/json#Unmarshal).
    """
    try:
        content = json.loads(
            text.decode(), object_pairs_hook=lambda pairs: _unique(pairs, what), parse_constant=_constant
        )
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{what} is not JSON.") from error
    if not isinstance(content, dict):
        raise RefusedError(f"{what} is not a JSON object.")
    return content


def _constant(name: str) -> None:
    raise RefusedError(f"{name} is no number of JSON.")


def _unique(pairs: list[tuple[str, _Value]], where: str) -> dict[str, _Value]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key.casefold() in seen:
            raise RefusedError(f"{where} has the key {shown(key)} twice.")
        seen.add(key.casefold())
    return dict(pairs)


def shown(value: object) -> str:
    """Return a value of a request for a message or a log: short, on one line."""
    text = printable(str(value))
    return text if len(text) <= 80 else f"{text[:80]}..."
