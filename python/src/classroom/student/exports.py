"""Formats of "Save and Export": those that this image can write, with PDF files that need no LaTeX."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from anyio.to_thread import run_sync
from jupyter_server.nbconvert.handlers import NbconvertFileHandler
from jupyter_server.services.nbconvert.handlers import NbconvertRootHandler
from tornado import web

_LONGEST = 180.0
"""Seconds for one PDF file."""
_PROGRAMS = {"asciidoc": ("pandoc",), "latex": ("pandoc",), "rst": ("pandoc",)}
_MODULES = {"qtpdf": "PyQtWebEngine", "qtpng": "PyQtWebEngine", "webpdf": "playwright"}
_OWN = "classroom.student.exports.PdfExporter"


@cache
def has_latex() -> bool:
    """Return whether the image has what nbconvert's own exporter of PDF files calls."""
    return _has("pandoc", "xelatex")


def _has(*programs: str) -> bool:
    return all(map(shutil.which, programs))


def _works(name: str) -> bool:
    if name == "pdf" and not has_latex():
        return find_spec("weasyprint") is not None
    return _has(*_PROGRAMS.get(name, ())) and (name not in _MODULES or find_spec(_MODULES[name]) is not None)


def offered() -> dict[str, dict[str, str]]:
    """Return the formats that work here, as `api/nbconvert` answers them."""
    exporters = sorted(entry_points(group="nbconvert.exporters"), key=lambda exporter: exporter.name)
    return {
        exporter.name: {"output_mimetype": exporter.load().output_mimetype}
        for exporter in exporters
        if _works(exporter.name)
    }


class FormatsHandler(NbconvertRootHandler):
    """`GET api/nbconvert`: upstream's list has formats that fail for want of a program."""

    @web.authenticated
    async def get(self) -> None:
        """Answer with the formats of the menu."""
        self.finish(json.dumps(await run_sync(offered)))


class PdfHandler(NbconvertFileHandler):
    """`GET nbconvert/pdf/PATH`: by LaTeX where the image has it."""

    async def get(self, path: str) -> None:
        """Answer with the PDF file of a notebook."""
        await super().get("pdf" if has_latex() else _OWN, path)  # type: ignore[misc]


class PdfExporter:
    """Exporter that calls `classroom.student.pdf`, with the methods that the handler needs."""

    enabled = True
    output_mimetype = "application/pdf"

    def __init__(self, **_: Any) -> None:  # noqa: ANN401 - nbconvert gives its configuration
        """Ignore the configuration: it is nbconvert's."""

    def from_notebook_node(self, notebook: Any, resources: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:  # noqa: ANN401
        """Return the PDF file of a notebook, and what the handler reads from the resources.

        Raises:
            RuntimeError: it could not be made; the message is what the student reads.
        """
        about = resources["metadata"]
        command = [sys.executable, "-I", "-m", "classroom.student.pdf", about.get("path") or ".", about["name"]]
        # The program reads files that a notebook names: it gets none of the server's secrets.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTERHUB_")}
        kept["JUPYTER_DATA_DIR"] = os.devnull  # templates are code, and a home's are not taken
        try:
            done = subprocess.run(
                command,
                input=json.dumps(notebook).encode(),
                capture_output=True,
                timeout=_LONGEST,
                env=kept,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            message = f"it took longer than {_LONGEST:.0f} seconds. Clear long outputs, or export HTML and print that"
            raise RuntimeError(message) from error
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason was given"]
            raise RuntimeError(f"{last[0]}. Export HTML, and print that in the browser") from error
        return done.stdout, {**resources, "output_extension": ".pdf"}
