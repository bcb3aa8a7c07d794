"""What the values of settings are: durations, sizes, names, addresses. Each says in one sentence what to write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_PATTERN = r"[a-z0-9][a-z0-9._-]{0,31}"
"""What a new account may be called: safe in URLs, container names and volume names."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def _seconds(value: object) -> object:
    return _counted(value, _UNITS, 'write a duration such as "90s", "60m" or "2h"')


def _bytes(value: object) -> object:
    return _counted(value, _SIZES, 'write a size such as "512M" or "4G"')


def _counted(value: object, units: Mapping[str, int], mistake: str) -> object:
    match = re.fullmatch(rf"(\d+)({'|'.join(units)})", value) if isinstance(value, str) else None
    if match:
        return int(match[1]) * units[match[2]]
    if isinstance(value, str | bool):
        raise ValueError(mistake)  # noqa: TRY004 - pydantic takes ValueError
    return value


def write_seconds(value: int) -> str:
    """A duration as people write it."""
    unit = next((unit for unit in "dhm" if value and value % _UNITS[unit] == 0), "s")
    return f"{value // _UNITS[unit]}{unit}"


def _write_bytes(value: int) -> str | int:
    unit = next((unit for unit in "TGMK" if value % _SIZES[unit] == 0), "")
    return f"{value // _SIZES[unit]}{unit}" if unit else value


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
    if not re.fullmatch(r"https?://[^/\s]+(/[^\s?#]*)?", value):
        raise ValueError('write the address that browsers use, such as "https://class.example.org/"')
    return value if value.endswith("/") else value + "/"


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _group_name(value: str) -> str:
    if not 0 < len(value) <= 64 or not value.isprintable() or value.strip() != value or set(value) & set("/,"):
        raise ValueError("name a group by at most 64 characters without a slash or a comma")
    return value


Duration = Annotated[
    int,
    BeforeValidator(_seconds, json_schema_input_type=int | str),
    PlainSerializer(write_seconds, when_used="json"),
    Field(ge=0),
]
"""Seconds, written as an integer or as "90s", "60m", "2h", "1d"."""
Size = Annotated[
    int,
    BeforeValidator(_bytes, json_schema_input_type=int | str),
    PlainSerializer(_write_bytes, when_used="json"),
    Field(gt=0),
]
"""Bytes, written as an integer or as "512M", "4G" (powers of 1024)."""
AccountName = Annotated[str, AfterValidator(_account_name)]
Listen = Annotated[str, AfterValidator(_listen)]
TcpListen = Annotated[str, AfterValidator(_tcp_listen)]
Url = Annotated[str, AfterValidator(_url)]
Image = Annotated[str, Field(pattern=r"^[a-z0-9][^\s]*$")]
"""What the engine calls an image."""
GroupName = Annotated[str, AfterValidator(_group_name)]
Policy = Literal["none", "all", "devices", "exclusive", "shared"]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
