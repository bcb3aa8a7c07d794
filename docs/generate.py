"""Generator of the reference pages for commands, pages and metrics, and of the page of attacks (`make docs`)."""  # noqa: INP001 - a directory of pages, no package

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main
from prometheus_client.metrics import MetricWrapperBase

from classroom.cli.main import app
from classroom.cli.manual import STATUSES, argument_names, subcommands, visible_options
from classroom.gpus import metrics
from classroom.web.routes import API, PAGES
from docs.attacks import PAGE, security_page

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "`make docs` generates this page from the code."
_METHODS = ("get", "post", "put", "delete")


def reference_pages() -> dict[str, str]:
    """Return the generated pages by file name."""
    return {"commands.md": _commands(), "pages.md": _routes(), "metrics.md": _metrics()}


def _page(title: str, introduction: str, lines: Iterator[str]) -> str:
    return "\n".join([f"# {title}", "", introduction, "", _NOTE, "", *lines]).rstrip() + "\n"


def _commands() -> str:
    command: Any = typer.main.get_command(app)
    return _page("Commands", "`classroom COMMAND --help` shows the same text.", _command_lines(command))


def _command_lines(command: Any) -> Iterator[str]:  # noqa: ANN401 - typer brings a click of its own
    for name, subcommand in subcommands(command, "classroom"):
        yield from (f"## `{name}`", "", f"    {' '.join([name, *argument_names(subcommand)])}", "")
        yield from (inspect.cleandoc(subcommand.help or "").replace("\f", ""), "")
        if options := visible_options(subcommand):
            yield from ("| option | meaning |", "|---|---|")
            for option in options:
                names = ", ".join([*option.opts, *option.secondary_opts])
                value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"
                yield f"| `{_cell(names + value)}` | {_cell(option.help or '')} |"
            yield ""
    yield from ("## Exit statuses", "", "| status | meaning |", "|---|---|")
    yield from (f"| {status} | {meaning} |" for status, meaning in STATUSES)


def _routes() -> str:
    introduction = (
        "JupyterHub's own pages and API stay as they are: `/hub/home`, `/hub/admin`, `/hub/token` and the others. "
        "An instructor's program calls the API with a token in the header `Authorization: token TOKEN`."
    )
    return _page("Pages and HTTP API", introduction, _route_lines())


def _route_lines() -> Iterator[str]:
    for title, routes in (("Pages", PAGES), ("HTTP API", API)):
        yield from (f"## {title}", "", "| address | method | what it does |", "|---|---|---|")
        for pattern, handler, *_ in routes:
            address = re.sub(r"\(\[\^/\]\+\)|\(\[\^/\]\*\)|\(\.\*\)", "NAME", pattern)
            own = {method: vars(handler)[method] for method in _METHODS if method in vars(handler)}
            for method, function in own.items() or {"": handler}.items():
                yield f"| `{_cell('/hub' + address)}` | {method.upper()} | {_cell(_summary(function))} |"
        yield ""


def _summary(documented: Any) -> str:  # noqa: ANN401 - a class or a function
    return (inspect.getdoc(documented) or "").partition("\n\n")[0].replace("\n", " ")


def _metrics() -> str:
    introduction = (
        "`/hub/metrics` has these, with JupyterHub's own. See [NixOS](../how-to/nixos.md) for how to collect them."
    )
    return _page("Metrics", introduction, _metric_lines())


def _metric_lines() -> Iterator[str]:
    yield from ("| metric | type | labels | meaning |", "|---|---|---|---|")
    for collector in vars(metrics).values():
        if isinstance(collector, MetricWrapperBase):
            metric = next(iter(collector.describe()))
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            labels = ", ".join(collector._labelnames)  # noqa: SLF001 - no public name for it
            yield f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    for file_name, text in reference_pages().items():
        (REFERENCE / file_name).write_text(text, encoding="utf-8")
    PAGE.write_text(security_page(), encoding="utf-8")
