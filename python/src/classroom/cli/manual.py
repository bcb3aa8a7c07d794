"""The manual page classroom(1), from the commands' help texts (man(7)).

click-man takes commands of click and writes a file for each; typer has a click of its own, and `typer utils docs`
writes Markdown.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

STATUSES = (
    ("0", "done"),
    ("1", "an error, or something could not be done; the message says what"),
    ("2", "wrong usage of the command"),
    ("3", "the hub or the Docker engine does not answer"),
    ("4", "the hub's token cannot be read, or the hub does not accept it"),
    ("5", "a disk is full or read-only: free space, then run the command again"),
)
_VARIABLES = (
    ("CLASSROOM_SETTINGS", "the settings file, like --settings"),
    ("JUPYTERHUB_CRYPT_KEY", "wins over the hub's own key"),
    ("DOCKER_NETWORK_NAME, JUPYTERHUB_EXTERNAL_URL, JUPYTERHUB_LOG_LEVEL", "win over the settings"),
)
_FILES = (
    ("/etc/classroom/settings.json", "the settings, unless --settings names another file"),
    ("/var/lib/classroom", "database and secrets, unless paths.state names another directory"),
)


def render_manual(command: Any) -> str:  # noqa: ANN401 - typer brings a click of its own
    """Return the page of a command and all its subcommands.

    Args:
        command: as `typer.main.get_command` gives it.
    """
    lines = [
        f'.TH CLASSROOM 1 "" "classroom {version("classroom")}" "User Commands"',
        ".SH NAME",
        f"classroom \\- {_escape(command.help.rstrip('.'))}",
        ".SH SYNOPSIS",
        "\\fBclassroom\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]",
        ".SH COMMANDS",
    ]
    for name, subcommand in subcommands(command, "classroom"):
        heading = " ".join([name, *argument_names(subcommand)])
        lines += [f".SS {_escape(heading)}", *_paragraphs(subcommand.help or "")]
        for option in visible_options(subcommand):
            lines += [".TP", _option_names(option), *_paragraphs(option.help or "", ".IP")]
    for title, rows in (("EXIT STATUS", STATUSES), ("ENVIRONMENT", _VARIABLES), ("FILES", _FILES)):
        lines.append(f".SH {title}")
        for term, meaning in rows:
            lines += [".TP", f"\\fB{_escape(term)}\\fR", _escape(meaning)]
    return "\n".join(lines) + "\n"


def subcommands(group: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - as above
    """Yield the full name and the command of each visible subcommand."""
    for word, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{name} {word}", command
            yield from subcommands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def argument_names(command: Any) -> list[str]:  # noqa: ANN401 - as above
    """Return the arguments as a usage line shows them."""
    return [
        (argument.metavar if argument.required else f"[{argument.metavar}]") + "..." * (argument.nargs != 1)
        for argument in command.params
        if argument.param_type_name == "argument"
    ]


def visible_options(command: Any) -> list[Any]:  # noqa: ANN401 - as above
    """Return the options that help shows."""
    return [option for option in command.params if option.param_type_name == "option" and not option.hidden]


def _option_names(option: Any) -> str:  # noqa: ANN401 - as above
    names = ", ".join(f"\\fB{_escape(name)}\\fR" for name in (*option.opts, *option.secondary_opts))
    return names if option.is_flag else f"{names} \\fI{_escape(option.metavar or option.name.upper())}\\fR"


def _paragraphs(text: str, between: str = ".PP") -> list[str]:
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip())]
    return f"\n{between}\n".join(map(_escape, paragraphs)).splitlines()


def _escape(text: str) -> str:
    """Return text that roff takes literally (groff_char(7)): a line that begins with a dot or quote is a request."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain
