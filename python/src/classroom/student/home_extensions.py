"""JupyterLab's extensions in a home, which `%pip install` brings: for the owner of the server, and for no visitor.

They are scripts of the page. An instructor who opens a student's server runs those of the image only.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.base.handlers import FileFindHandler
from jupyter_server.utils import filefind
from tornado.web import HTTPError

from classroom.student.installed import extension_files
from classroom.student.owner import is_owner

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = r"/lab/extensions/(.*)"
"""Path of a file of an extension."""
_HOMES = re.compile(r"(?!@classroom/)(@[^/@]+/)?[^/@]+/static/.+(?<!html)(?<!htm)(?<!svg)(?<!xml)", re.IGNORECASE)
"""Paths that the home may have: what JupyterLab loads, and no page."""
_OURS = "@classroom/"
_LARGEST = 1024 * 1024  # bytes of a package.json
_KEYS = ("load", "extension", "mimeExtension", "style")


def directory() -> Path:
    """Return the directory of extensions in the home."""
    return Path(jupyter_data_dir()) / "labextensions"


def extensions(folder: Path) -> list[dict[str, str]]:
    """Return the extensions in a directory, as JupyterLab's page lists them. Those that are none are left out."""
    found = []
    for file in sorted(extension_files(folder)):
        with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
            if not file.is_file() or file.stat().st_size > _LARGEST:
                continue
            about = json.loads(file.read_bytes())
            name = file.parent.relative_to(folder).as_posix()
            if about["name"] != name or name.startswith(_OURS):
                continue
            build = about["jupyterlab"]["_build"]
            found.append({"name": name} | {key: str(build[key]) for key in _KEYS if key in build})
    return [extension for extension in found if "load" in extension]


def add_to_page(handler: Any, page: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - JupyterLab's handler
    """Add the home's extensions to the configuration of a page of the owner, and return it.

    One of the image with the same name is replaced. `?extensions=image` leaves the home's out, for an extension that
    keeps JupyterLab from opening.
    """
    if is_owner(handler) and handler.get_query_argument("extensions", "") != "image":
        added = extensions(directory())
        names = {extension["name"] for extension in added}
        kept = [extension for extension in page.get("federated_extensions", []) if extension["name"] not in names]
        page["federated_extensions"] = kept + added
    return page


class ExtensionFileHandler(FileFindHandler):
    """Upstream's handler for files of extensions, which looks into the home too if the owner asks.

    If a browser opens one as a page, it gets no origin and runs no script.
    """

    _home: Path | None = None

    async def prepare(self, **options: Any) -> None:  # noqa: ANN401 - upstream's signature
        """Look into the home first, for the owner."""
        await super().prepare(**options)
        if is_owner(self) and _HOMES.fullmatch(self.path_args[0]):
            self._home = directory()
            self.root = (f"{self._home}{os.sep}", *self.root)  # type: ignore[assignment]

    @classmethod
    def get_absolute_path(cls, roots: Sequence[str], path: str) -> str:
        """Return the file at a path, or "". Upstream remembers it for all visitors."""
        with suppress(OSError):
            return os.path.abspath(filefind(path, roots))  # noqa: PTH100 - links are followed later
        return ""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the file to send; a link out of the home's directory leads nowhere."""
        if self._home and Path(absolute_path).is_relative_to(self._home):
            if not Path(absolute_path).resolve().is_relative_to(self._home.resolve()):
                raise HTTPError(404)
        else:
            self._home = None
        return super().validate_absolute_path(root, absolute_path)

    def set_headers(self) -> None:
        """Set upstream's headers; browsers ask again for files of the home."""
        super().set_headers()
        if self._home:
            self.set_header("Cache-Control", "private, no-cache")

    @property
    def content_security_policy(self) -> str:
        """Return the header `Content-Security-Policy`."""
        return f"{super().content_security_policy}; sandbox"
