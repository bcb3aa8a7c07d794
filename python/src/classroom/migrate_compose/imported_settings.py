"""What the original's files ask for: instructors, settings, the key that encrypts.

The settings are the operator's to write: what is wanted is told, where they do not say it already.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from classroom.migrate_compose import hub_config
from classroom.migrate_compose.project_files import text
from classroom.settings.types import NAME_PATTERN

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from classroom.migrate_compose.project_files import Original
    from classroom.migrate_compose.stock_accounts import Person
    from classroom.settings.models import Settings

_LEVELS = {"CRITICAL": "ERROR"}
_TUNNEL = "CLOUDFLARE_TUNNEL_TOKEN"


@dataclass(frozen=True)
class ImportedSettings:
    """What there is to write or to know."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Keys as in settings.json, of what the settings do not say yet."""
    crypt_keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """A sentence each."""


def read(original: Original, people: Sequence[Person], settings: Settings) -> ImportedSettings:
    """Look at .env, config/users.txt and config/jupyterhub_config.py.

    Raises:
        ClassroomError: one of them cannot be read.
    """
    notes: list[str] = []
    environment = _environment(original.environment) if original.environment else {}
    tree = hub_config.parse(original.config, notes) if original.config else None
    wanted: dict[tuple[str, ...], Any] = {
        **_of_environment(environment, notes),
        **(hub_config.settings(tree, original.notebooks, notes) if tree else {}),
    }
    admins = _admins(original, people, tree, notes)
    if missing := [name for name in admins if name not in settings.admins]:
        wanted["admins",] = [*settings.admins, *missing]
    known = settings.model_dump(mode="json", by_alias=True)
    return ImportedSettings(
        settings=_nested({path: value for path, value in wanted.items() if _at(known, path) != value}),
        crypt_keys=_crypt_keys(environment, notes),
        notes=tuple(notes),
    )


def as_lines(settings: Mapping[str, Any], style: str) -> list[str]:
    """The settings as the operator writes them.

    Args:
        settings: as in settings.json.
        style: nix, toml or json.
    """
    if style == "json":
        return json.dumps(settings, indent=2).splitlines()
    top = {key: value for key, value in settings.items() if not isinstance(value, dict)}
    sections = {key: value for key, value in settings.items() if isinstance(value, dict)}
    if style == "nix":
        lines = [f"  {key} = {_nix(value)};" for key, value in top.items()]
        lines += [f"  {name}.{key} = {_nix(value)};" for name, part in sections.items() for key, value in part.items()]
        return ["services.classroom = {", *lines, "};"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
    for name, part in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in part.items())]
    return lines


def _environment(path: Path) -> dict[str, str]:
    found = {}
    for line in text(path).splitlines():
        if match := re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", line):
            value = match[2]
            if quoted := re.fullmatch(r"""(["'])(.*)\1(?:\s+#.*)?""", value):
                value = quoted[2]
            else:
                value = re.sub(r"(?:^|\s+)#.*", "", value)
            if value:
                found[match[1]] = value
    return found


def _of_environment(environment: Mapping[str, str], notes: list[str]) -> dict[tuple[str, ...], Any]:
    wanted: dict[tuple[str, ...], Any] = {}
    if url := environment.get("JUPYTERHUB_EXTERNAL_URL"):
        wanted["site", "externalUrl"] = url if url.endswith("/") else f"{url}/"
    if level := environment.get("JUPYTERHUB_LOG_LEVEL", "").upper():
        wanted["site", "logLevel"] = _LEVELS.get(level, level)
    if network := environment.get("DOCKER_NETWORK_NAME"):
        notes.append(
            f"DOCKER_NETWORK_NAME={network} stays behind: the class makes a network with rules of its own "
            f"(network.name); when the original is gone run docker network rm {network}"
        )
    token = environment.get(_TUNNEL, "")
    if token and not token.startswith("YOUR_"):
        notes.append(
            f"{_TUNNEL} stays in .env: go on running cloudflared with it, towards Nginx, or on NixOS set "
            "tunnel.enable, tunnel.id and tunnel.credentialsFile"
        )
    return wanted


def _crypt_keys(environment: Mapping[str, str], notes: list[str]) -> tuple[str, ...]:
    given = environment.get("JUPYTERHUB_CRYPT_KEY", "")
    keys = tuple(key for key in given.split(";") if key)
    good = tuple(key for key in keys if re.fullmatch(r"[0-9a-fA-F]{64}|[0-9A-Za-z_-]{43}=", key))
    if good != keys and not given.startswith("CHANGE_ME"):
        notes.append("JUPYTERHUB_CRYPT_KEY in .env is no key (64 hexadecimal digits) and stays behind; ours is made")
    return good


def _admins(original: Original, people: Sequence[Person], tree: ast.Module | None, notes: list[str]) -> list[str]:
    """Who was an instructor: by the database, which JupyterHub went by; the files count for whom it does not know."""
    listed, others = _users_file(original.users) if original.users else ([], [])
    known = {person.name: person for person in people}
    configured = [] if people else hub_config.admins(tree)
    found = [name for name, person in known.items() if person.admin]
    found += [name for name in dict.fromkeys((*listed, *configured)) if name not in known]
    notes.extend(
        f"{name} is in config/users.txt and was no admin of JupyterHub: taken for a student; if they are an instructor "
        "add the name to admins in the settings"
        for name in listed
        if name in known and not known[name].admin
    )
    if strangers := [name for name in others if name not in known]:
        notes.append(f"In config/users.txt without an account: {', '.join(strangers)}; run classroom users add NAME")
    odd = [name for name in found if not re.fullmatch(NAME_PATTERN, name)]
    if odd:
        notes.append(f"No instructor can be called {', '.join(odd)}: add one with another name to admins")
    return [name for name in found if name not in odd]


def _users_file(path: Path) -> tuple[list[str], list[str]]:
    """Names under "# Admin users" and names under "# Regular users", where the original's own script adds students."""
    admins: list[str] = []
    others: list[str] = []
    section = admins
    for raw in text(path).splitlines():
        line = raw.strip()
        if line.startswith("#"):
            if re.search(r"regular|student", line, re.IGNORECASE):
                section = others
            elif re.search(r"\badmin users\b|instructor", line, re.IGNORECASE):
                section = admins
        elif line:
            section.append(line)
    return list(dict.fromkeys(admins)), list(dict.fromkeys(others))


def _at(data: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _nested(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in flat.items():
        part = found
        for key in path[:-1]:
            part = part.setdefault(key, {})
        part[path[-1]] = value
    return found


def _nix(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return f"[ {' '.join(map(_nix, value))} ]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("${", "\\${")
    return json.dumps(value)
