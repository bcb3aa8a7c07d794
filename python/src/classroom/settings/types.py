"""Value types of settings: durations, sizes, names, addresses, paths. Each error message says what to write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from classroom.units import parse_bytes, parse_duration, write_bytes, write_duration

NAME_PATTERN = r"[a-z0-9][a-z0-9._-]{0,31}"
"""Names of new accounts: safe in URLs, container names and volume names."""


@dataclass(frozen=True)
class NixOption:
    """Annotation of a setting for `classroom.settings.nix_options`."""

    type: str | None
    """Type of the option: a Nix expression over nixpkgs' `types` and modules/types.nix (`own`). None: no option is
    generated, because the module sets the value (modules/settings.nix) or has a hand-written option."""


NO_OPTION = NixOption(None)


def _account_name(value: str) -> str:
    if not re.fullmatch(NAME_PATTERN, value):
        raise ValueError(
            "write a name of at most 32 lower-case letters, digits, dots, dashes or underscores, "
            "beginning with a letter or digit"
        )
    return value


def _listen(value: str) -> str:
    if re.fullmatch(r"unix:/.+", value):
        return value
    match = re.fullmatch(r"([0-9.]+|\[[0-9a-f:]+\]):(\d+)", value)
    if not match or not 0 < int(match[2]) < 65536:
        raise ValueError('write "unix:/path/to/socket" or "address:port", such as "127.0.0.1:8081"')
    return value


def _tcp_listen(value: str) -> str:
    if value.startswith("unix:"):
        raise ValueError('the hub listens on TCP: write "address:port", such as "127.0.0.1:8081"')
    return _listen(value)


def _url(value: str) -> str:
    if value == "":
        return value
    address = re.fullmatch(r"(https?://[^/\s?#]+)(/[^\s?#]*)?", value)
    if not address:
        raise ValueError('write the address that browsers use, such as "https://class.example.org/"')
    if address[2] not in {None, "/"}:
        raise ValueError(f'a class is not below a path: write only the host name, "{address[1]}/"')
    return f"{address[1]}/"


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _group_name(value: str) -> str:
    if not 0 < len(value) <= 64 or not value.isprintable() or value.strip() != value or set(value) & set("/,"):
        raise ValueError("name a group by at most 64 characters without a slash or a comma")
    return value


Duration = Annotated[
    int,
    BeforeValidator(parse_duration, json_schema_input_type=int | str),
    PlainSerializer(write_duration, when_used="json"),
    Field(ge=0),
    NixOption("own.duration"),
]
"""Seconds, written as an integer or as "90s", "60m", "2h", "1d"."""
Size = Annotated[
    int,
    BeforeValidator(parse_bytes, json_schema_input_type=int | str),
    PlainSerializer(write_bytes, when_used="json"),
    Field(gt=0),
    NixOption("own.size"),
]
"""Bytes, written as an integer or as "512M", "4G" (powers of 1024)."""


def _device(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Device = Annotated[str, BeforeValidator(_device)]
"""Index, UUID or CDI name of a GPU; an index may be written as a number."""


def _no_number(value: object) -> object:
    if isinstance(value, int):
        raise ValueError('write an address in quotes, such as "10.0.5.0"')  # noqa: TRY004 - pydantic reports ValueErrors
    return value


Address = Annotated[IPv4Address, BeforeValidator(_no_number)]
"""An IPv4 address; the class bridge has no other."""
Subnet = Annotated[IPv4Network, BeforeValidator(_no_number)]
"""A range of IPv4 addresses, such as 10.0.5.0/24."""
AccountName = Annotated[str, AfterValidator(_account_name), NixOption("own.accountName")]
Listen = Annotated[str, AfterValidator(_listen), NixOption("own.listen")]
TcpListen = Annotated[str, AfterValidator(_tcp_listen), NixOption("own.tcpListen")]
Url = Annotated[str, AfterValidator(_url), NixOption("own.url")]
Domain = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?[.])+[a-z]([a-z0-9-]*[a-z0-9])?$")]
"""A domain without a dot at its end, such as pypi.org; not an address."""
Image = Annotated[str, Field(pattern=r"^[a-z0-9][^\s]*$")]
"""Image reference of the Docker engine."""
Folder = Annotated[Path, NixOption("own.folder")]
SecretFile = Annotated[Path, NixOption("own.secretFile")]
"""A file with a secret. On NixOS it must be outside of the Nix store, which everyone can read."""
GroupName = Annotated[str, AfterValidator(_group_name)]
Policy = Literal["none", "all", "devices", "exclusive", "shared"]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
