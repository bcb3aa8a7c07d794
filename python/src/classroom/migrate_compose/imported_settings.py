"""Settings that the files of a docker-compose project imply: instructors, GPUs, limits, encryption keys.

The operator writes the settings: this lists those that the settings file does not have yet.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError
from classroom.files import write_atomically
from classroom.migrate_compose import hub_config
from classroom.migrate_compose.project_files import read_text
from classroom.settings.types import NAME_PATTERN

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from classroom.migrate_compose.project_files import ComposeProject
    from classroom.migrate_compose.stock_accounts import StockAccount
    from classroom.settings.models import Settings

_LEVELS = {"CRITICAL": "ERROR"}
_TUNNEL = "CLOUDFLARE_TUNNEL_TOKEN"


@dataclass(frozen=True)
class ImportedSettings:
    """Settings for the operator to write, keys to keep, and notes."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings, with the keys of settings.json, that the settings file does not have yet."""
    crypt_keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """A sentence each."""


def import_settings(project: ComposeProject, accounts: Sequence[StockAccount], settings: Settings) -> ImportedSettings:
    """Return what .env, config/users.txt and config/jupyterhub_config.py imply.

    Raises:
        ClassroomError: one of them cannot be read.
    """
    notes: list[str] = []
    environment = _read_environment(project.environment) if project.environment else {}
    tree = hub_config.parse_hub_config(project.config, notes) if project.config else None
    values: dict[tuple[str, ...], Any] = {
        **_settings_of_environment(environment, notes),
        **(hub_config.configured_settings(tree, project.notebooks, notes) if tree else {}),
    }
    admins = _admins(project, accounts, tree, notes)
    if missing := [name for name in admins if name not in settings.admins]:
        values["admins",] = [*settings.admins, *missing]
    current = settings.model_dump(mode="json", by_alias=True)
    return ImportedSettings(
        settings=_nested({path: value for path, value in values.items() if _value_at(current, path) != value}),
        crypt_keys=_crypt_keys(environment, notes),
        notes=tuple(notes),
    )


def format_settings(settings: Mapping[str, Any], style: str) -> list[str]:
    """Return the lines that the operator writes into the settings file.

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


def add_crypt_keys(state: Path, keys: Sequence[str]) -> str:
    """Let the hub decrypt with keys of another hub too; it goes on encrypting with its current key.

    Args:
        state: the state directory.
        keys: hexadecimal or Base64, 32 bytes each.

    Returns:
        a note for the operator; empty if nothing was necessary.

    Raises:
        ClassroomError: the file cannot be read or written.
    """
    path = state / "secrets" / "crypt-key"
    if not keys:
        return ""
    try:
        current = path.read_text(encoding="utf-8").strip().split(";")
    except FileNotFoundError:
        return "JUPYTERHUB_CRYPT_KEY of .env: add it, after a semicolon, to the file that secrets.cryptKey names"
    except (OSError, UnicodeDecodeError) as error:
        raise ClassroomError(f"{path}: cannot be read ({error}); run this as root") from error
    missing = [key for key in keys if key not in current]
    if not missing:
        return ""
    write_atomically(path, ";".join([*current, *missing]) + "\n")
    return f"JUPYTERHUB_CRYPT_KEY of .env is now a second key in {path}: restart the hub (servers keep running)"


def _read_environment(path: Path) -> dict[str, str]:
    variables = {}
    for line in read_text(path).splitlines():
        if match := re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", line):
            value = match[2]
            if quoted := re.fullmatch(r"""(["'])(.*)\1(?:\s+#.*)?""", value):
                value = quoted[2]
            else:
                value = re.sub(r"(?:^|\s+)#.*", "", value)
            if value:
                variables[match[1]] = value
    return variables


def _settings_of_environment(environment: Mapping[str, str], notes: list[str]) -> dict[tuple[str, ...], Any]:
    values: dict[tuple[str, ...], Any] = {}
    if url := environment.get("JUPYTERHUB_EXTERNAL_URL"):
        values["site", "externalUrl"] = url if url.endswith("/") else f"{url}/"
    if level := environment.get("JUPYTERHUB_LOG_LEVEL", "").upper():
        values["site", "logLevel"] = _LEVELS.get(level, level)
    if network := environment.get("DOCKER_NETWORK_NAME"):
        notes.append(
            f"DOCKER_NETWORK_NAME={network} is not used: the class makes a network with its own firewall rules "
            f"(network.name); after you remove the project, run docker network rm {network}"
        )
    token = environment.get(_TUNNEL, "")
    if token and not token.startswith("YOUR_"):
        notes.append(
            f"{_TUNNEL} stays in .env: keep running cloudflared with it, with Nginx as its service, or on NixOS set "
            "tunnel.enable, tunnel.id and tunnel.credentialsFile"
        )
    return values


def _crypt_keys(environment: Mapping[str, str], notes: list[str]) -> tuple[str, ...]:
    variable = environment.get("JUPYTERHUB_CRYPT_KEY", "")
    keys = tuple(key for key in variable.split(";") if key)
    good = tuple(key for key in keys if re.fullmatch(r"[0-9a-fA-F]{64}|[0-9A-Za-z_-]{43}=", key))
    if good != keys and not variable.startswith("CHANGE_ME"):
        notes.append(
            "JUPYTERHUB_CRYPT_KEY in .env is not a key (64 hexadecimal digits) and is not used; the hub has its own"
        )
    return good


def _admins(
    project: ComposeProject, accounts: Sequence[StockAccount], tree: ast.Module | None, notes: list[str]
) -> list[str]:
    """Return the instructors: as the database says, like JupyterHub; the files count for names that it lacks."""
    listed, others = _read_users_file(project.users) if project.users else ([], [])
    known = {account.name: account for account in accounts}
    configured = [] if accounts else hub_config.configured_admins(tree)
    admins = [name for name, account in known.items() if account.admin]
    admins += [name for name in dict.fromkeys((*listed, *configured)) if name not in known]
    notes.extend(
        f"{name} is in config/users.txt and was not an admin of JupyterHub: the account becomes a student; for an "
        "instructor, add the name to admins in the settings"
        for name in listed
        if name in known and not known[name].admin
    )
    if strangers := [name for name in others if name not in known]:
        notes.append(
            f"These names in config/users.txt have no account: {', '.join(strangers)}; run classroom users add NAME"
        )
    invalid = [name for name in admins if not re.fullmatch(NAME_PATTERN, name)]
    if invalid:
        notes.append(f"An instructor cannot have the name {', '.join(invalid)}: add another name to admins")
    return [name for name in admins if name not in invalid]


def _read_users_file(path: Path) -> tuple[list[str], list[str]]:
    """Return names under "# Admin users" and under "# Regular users", where the project's script adds students."""
    admins: list[str] = []
    others: list[str] = []
    section = admins
    for raw in read_text(path).splitlines():
        line = raw.strip()
        if line.startswith("#"):
            if re.search(r"regular|student", line, re.IGNORECASE):
                section = others
            elif re.search(r"\badmin users\b|instructor", line, re.IGNORECASE):
                section = admins
        elif line:
            section.append(line)
    return list(dict.fromkeys(admins)), list(dict.fromkeys(others))


def _value_at(data: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _nested(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        part = nested
        for key in path[:-1]:
            part = part.setdefault(key, {})
        part[path[-1]] = value
    return nested


def _nix(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return f"[ {' '.join(map(_nix, value))} ]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("${", "\\${")
    return json.dumps(value)
