"""classroom(1), written from the commands' own words (man(7))."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUSES = (
    ("0", "done"),
    ("1", "a mistake, or something could not be done; the message says what"),
    ("2", "the command was typed wrong"),
    ("3", "the hub or the Docker engine does not answer"),
    ("4", "the hub's token cannot be read, or the hub does not accept it"),
)
_VARIABLES = (
    ("CLASSROOM_SETTINGS", "the settings file, as --settings"),
    ("JUPYTERHUB_CRYPT_KEY", "wins over the hub's own key"),
    ("DOCKER_NETWORK_NAME, JUPYTERHUB_EXTERNAL_URL, JUPYTERHUB_LOG_LEVEL", "win over the settings"),
)
_FILES = (
    ("/etc/classroom/settings.json", "the settings, unless told otherwise"),
    ("/var/lib/classroom", "database and secrets, as paths.state says"),
)


def page(command: Any) -> str:  # noqa: ANN401 - typer brings a click of its own
    """The page of a command and all that are below it.

    Args:
        command: as `typer.main.get_command` gives it.
    """
    lines = [
        f'.TH CLASSROOM 1 "" "classroom {version("classroom")}" "User Commands"',
        ".SH NAME",
        f"classroom \\- {_escaped(command.help.rstrip('.'))}",
        ".SH SYNOPSIS",
        "\\fBclassroom\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]",
        ".SH COMMANDS",
    ]
    for name, each in _commands(command, "classroom"):
        lines += [f".SS {_escaped(' '.join([name, *_arguments(each)]))}", *_paragraphs(each.help or "")]
        for option in _options(each):
            lines += [".TP", _written(option), *_paragraphs(option.help or "", ".IP")]
    for title, rows in (("EXIT STATUS", _STATUSES), ("ENVIRONMENT", _VARIABLES), ("FILES", _FILES)):
        lines.append(f".SH {title}")
        for term, said in rows:
            lines += [".TP", f"\\fB{_escaped(term)}\\fR", _escaped(said)]
    return "\n".join(lines) + "\n"


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - as above
    for word, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{name} {word}", command
            yield from _commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def _arguments(command: Any) -> list[str]:  # noqa: ANN401 - as above
    return [
        (each.metavar if each.required else f"[{each.metavar}]") + "..." * (each.nargs != 1)
        for each in command.params
        if each.param_type_name == "argument"
    ]


def _options(command: Any) -> list[Any]:  # noqa: ANN401 - as above
    return [each for each in command.params if each.param_type_name == "option" and not each.hidden]


def _written(option: Any) -> str:  # noqa: ANN401 - as above
    names = ", ".join(f"\\fB{_escaped(name)}\\fR" for name in (*option.opts, *option.secondary_opts))
    return names if option.is_flag else f"{names} \\fI{_escaped(option.metavar or option.name.upper())}\\fR"


def _paragraphs(text: str, between: str = ".PP") -> list[str]:
    found = [" ".join(each.split()) for each in re.split(r"\n\s*\n", text.strip())]
    return f"\n{between}\n".join(map(_escaped, found)).splitlines()


def _escaped(text: str) -> str:
    """Text that roff takes as it is (groff_char(7)): a line that begins with a dot or quote would be a request."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain
