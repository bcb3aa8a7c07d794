"""Message after `%pip install` of a package with a part in the browser or in the server, which no kernel can load."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = Path(".local")
_BROWSER = "share/jupyter/labextensions"
_SERVER = "etc/jupyter/jupyter_server_config.d"


def message(before: set[Path], after: set[Path]) -> str:
    """Return what to do about parts that are new; empty if nothing is.

    Args:
        before: the parts before the installation (`parts`).
        after: those after it.
    """
    new = after - before
    server = sorted(path.stem for path in new if path.suffix == ".json" and path.parent.name == Path(_SERVER).name)
    lines = []
    if any(path.name == "package.json" for path in new):
        lines.append("Reload this page in the browser: JupyterLab then draws what the new package brings.\n")
    if server:
        lines.append(
            f"The server loads no package of a home, so the part of {', '.join(server)} that belongs into the server "
            "does not work. Ask your instructor to add the package to the image.\n"
        )
    return "".join(lines)


def parts(home: Path) -> set[Path]:
    """Return the files in a home that name parts in the browser and in the server."""
    browser, server = home / _PLACE / _BROWSER, home / _PLACE / _SERVER
    return {*extension_files(browser), *server.glob("*.json")}


def extension_files(directory: Path) -> Iterator[Path]:
    """Return `package.json` of each extension of JupyterLab in a directory; a scope (`@scope/name`) is a directory."""
    return chain(directory.glob("[!@]*/package.json"), directory.glob("@*/*/package.json"))


def watch(events: Any) -> None:  # noqa: ANN401 - IPython's
    """Show the message after each cell with `pip`."""
    before: list[set[Path]] = []

    def begin(info: Any) -> None:  # noqa: ANN401 - IPython's
        before[:] = [parts(Path.home())] if "pip" in info.raw_cell else []

    def end(_: object) -> None:
        if before:
            sys.stderr.write(message(before.pop(), parts(Path.home())))

    events.register("pre_run_cell", begin)
    events.register("post_run_cell", end)
