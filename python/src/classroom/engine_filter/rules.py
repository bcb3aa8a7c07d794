"""Table of the requests that the filter passes to the engine. Everything that is not in it is refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from classroom.docker.container import HOME, LABEL, TEMPLATE
from classroom.engine_filter.create import check_create
from classroom.engine_filter.request import PING, RefusedError, parse_object, parse_target, shown
from classroom.errors import ClassroomError
from classroom.storage.home_directories import check_home_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from classroom.docker.features import Feature
    from classroom.gpus.inventory import Inventory
    from classroom.settings.models import Settings

STUDENT = f"{LABEL}user"
"""The label of a student's container."""

START = "containers/{id}/start"
"""The path of a `Call` whose answer shows what the machine does not have."""

_MAX_WAIT = 86_400  # seconds
_MAX_LINES = 100_000
_NO = {"0", "False", "false"}
_YES = {"1", "True", "true"}


@dataclass(frozen=True)
class Call:
    """A request to the engine."""

    method: str
    path: str
    """Without the version of the API; `{id}` is the container's identifier."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    container: str = ""
    """The name or identifier of a container that the engine must know as one of this class; empty: none."""
    kinds: tuple[str, ...] = (STUDENT,)
    """Labels of which the container must have one."""
    is_new: bool = False
    """Whether the container must not have started yet."""
    archive: bool = False
    """Whether the body is an archive, which the filter copies."""


def decide(  # noqa: PLR0913, PLR0917 - what is decided, and by what
    method: str,
    target: str,
    body: bytes,
    settings: Settings,
    inventory: Callable[[], Inventory],
    missing: frozenset[Feature] = frozenset(),
) -> Call:
    """Return the request for the engine.

    Args:
        method: of HTTP.
        target: path and query, as sent.
        body: complete, but for an archive, whose body is checked while it is copied.
        settings: the class's.
        inventory: reads the GPUs of the machine.
        missing: what the engine's answers have shown to be missing.

    Raises:
        RefusedError: the request is not in the table, or not as the hub makes it.
    """
    parsed = parse_target(target)
    if parsed.path == PING and method == "GET" and not body:
        return Call("GET", PING)
    if (method, parsed.path) == ("POST", "containers/create"):
        content = check_create(parsed.query, parse_object(body, "The body"), settings, inventory(), missing)
        return Call("POST", parsed.path, {"name": name} if (name := parsed.query.get("name")) else {}, content)
    for verb, pattern, rule in TABLE:
        match = re.fullmatch(pattern, parsed.path)
        if verb == method and match:
            if body:
                raise RefusedError(f"{method} {parsed.path} takes no body.")
            return rule(match.groupdict().get("name", ""), parsed.query, settings)
    raise RefusedError(f"{shown(method)} {shown(parsed.path)} is not a request of the hub.")


def check_container(call: Call, details: Mapping[str, Any], settings: Settings) -> None:
    """Check that a container, as the engine describes it, is one that the request may concern.

    Raises:
        RefusedError: it is not of this class, or has started already.
    """
    labels: Mapping[str, str] = (details.get("Config") or {}).get("Labels") or {}
    is_ours = labels.get(f"{LABEL}network") == settings.network.name
    if not is_ours or not any(kind in labels for kind in call.kinds):
        raise RefusedError(f"The container {shown(call.container)} is not of this class.")
    if call.is_new and details.get("State", {}).get("Status") != "created":
        raise RefusedError(f"The container {shown(call.container)} has started already.")


def _list(_container: str, query: Mapping[str, str], _settings: Settings) -> Call:
    values = _only(query, {"all": _YES | _NO, "limit": {"-1"}, "size": _NO, "trunc_cmd": _NO, "filters": None})
    filters = _filters(values, {"label"})
    return Call("GET", "containers/json", {"all": _flag(values, "all"), "filters": filters})


def _events(_container: str, query: Mapping[str, str], _settings: Settings) -> Call:
    values = _only(query, {"since": None, "until": None, "filters": None})
    times = {key: values[key] for key in ("since", "until") if key in values}
    if not all(re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text) for text in times.values()):
        raise RefusedError("A time of the query is no number of seconds.")
    return Call("GET", "events", {**times, "filters": _filters(values, {"type", "event", "label"}, kind="container")})


def _inspect(container: str, query: Mapping[str, str], _settings: Settings) -> Call:
    _only(query, {})
    return Call("GET", "containers/{id}/json", container=container)


def _start(container: str, query: Mapping[str, str], _settings: Settings) -> Call:
    _only(query, {})
    return Call("POST", START, container=container)


def _stop(container: str, query: Mapping[str, str], _settings: Settings) -> Call:
    seconds = _number(_only(query, {"t": None}).get("t", "10"), "t", _MAX_WAIT)
    return Call("POST", "containers/{id}/stop", {"t": seconds}, container=container)


def _remove(container: str, query: Mapping[str, str], _settings: Settings) -> Call:
    values = _only(query, {"v": _NO, "link": _NO, "force": _YES | _NO})
    return Call(
        "DELETE", "containers/{id}", {"force": _flag(values, "force")}, container=container, kinds=(STUDENT, TEMPLATE)
    )


def _logs(container: str, query: Mapping[str, str], _settings: Settings) -> Call:
    allowed = {"stdout": _YES, "stderr": _YES, "follow": _NO, "timestamps": _NO, "tail": None}
    lines = _number(_only(query, allowed).get("tail", ""), "tail", _MAX_LINES)
    return Call("GET", "containers/{id}/logs", {"stdout": "1", "stderr": "1", "tail": lines}, container=container)


def _stats(container: str, query: Mapping[str, str], _settings: Settings) -> Call:
    _only(query, {"stream": _NO})
    return Call("GET", "containers/{id}/stats", {"stream": "0"}, container=container)


def _read_archive(container: str, query: Mapping[str, str], settings: Settings) -> Call:
    path = f"{HOME}/."
    _demand_directories(settings)
    _only(query, {"path": {path}}, demanded={"path"})
    return Call("GET", "containers/{id}/archive", {"path": path}, container=container, kinds=(TEMPLATE,))


def _write_archive(container: str, query: Mapping[str, str], settings: Settings) -> Call:
    _demand_directories(settings)
    _only(query, {"path": {HOME}}, demanded={"path"})
    return Call("PUT", "containers/{id}/archive", {"path": HOME}, container=container, is_new=True, archive=True)


def _inspect_home(volume: str, query: Mapping[str, str], settings: Settings) -> Call:
    """Pass the question whether a home is still a volume."""
    _demand_directories(settings)
    _only(query, {})
    try:
        return Call("GET", f"volumes/{check_home_name(volume, settings.docker.prefix)}")
    except ClassroomError as error:
        raise RefusedError(f"{error}.") from error


def _demand_directories(settings: Settings) -> None:
    if settings.storage.kind != "directory":
        raise RefusedError("The class's homes are volumes, which the engine fills: the hub copies no files.")


def _only(
    query: Mapping[str, str], allowed: Mapping[str, set[str] | None], demanded: set[str] | None = None
) -> Mapping[str, str]:
    """Return the query if it has these keys and values; None stands for a value that is checked elsewhere."""
    for key, value in query.items():
        if key not in allowed:
            raise RefusedError(f"The query has the key {shown(key)}, which no request of the hub has.")
        values = allowed[key]
        if values is not None and value not in values:
            raise RefusedError(f"The query has the value {shown(value)} for {key}, which no request of the hub has.")
    if missing := (demanded or set()) - query.keys():
        raise RefusedError(f"The query has no {min(missing)}.")
    return query


def _flag(query: Mapping[str, str], key: str) -> str:
    return "1" if query.get(key) in _YES else "0"


def _number(text: str, key: str, limit: int) -> str:
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) > limit:
        raise RefusedError(f"The query's {key} is not a number from 0 to {limit}.")
    return str(int(text))


def _filters(query: Mapping[str, str], allowed: set[str], kind: str = "") -> str:
    """Return filters (JSON) if they leave only containers with a label of classes."""
    filters = parse_object(query.get("filters", "{}").encode(), "The filters")
    if unknown := filters.keys() - allowed:
        raise RefusedError(f"The filters have the key {shown(min(unknown))}, which no request of the hub has.")
    for key, values in filters.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise RefusedError(f"The filter {key} is no list of texts.")
    if not any(label.startswith(LABEL) for label in filters.get("label", [])):
        raise RefusedError(f"The filters name no label that begins with {LABEL}.")
    if kind and filters.get("type") != [kind]:
        raise RefusedError(f'The filter type is not ["{kind}"].')
    return json.dumps(filters)


CONTAINER = r"containers/(?P<name>[^/]+)"
VOLUME = r"volumes/(?P<name>[^/]+-home-[^/]+)"
TABLE: tuple[tuple[str, str, Callable[[str, Mapping[str, str], Settings], Call]], ...] = (
    ("GET", "containers/json", _list),
    ("GET", "events", _events),
    ("GET", f"{CONTAINER}/json", _inspect),
    ("POST", f"{CONTAINER}/start", _start),
    ("POST", f"{CONTAINER}/stop", _stop),
    ("DELETE", CONTAINER, _remove),
    ("GET", f"{CONTAINER}/logs", _logs),
    ("GET", f"{CONTAINER}/stats", _stats),
    ("GET", f"{CONTAINER}/archive", _read_archive),
    ("PUT", f"{CONTAINER}/archive", _write_archive),
    ("GET", VOLUME, _inspect_home),
)
