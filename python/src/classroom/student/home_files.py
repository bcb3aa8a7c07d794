"""Limits on files of the home that become part of a page: kernels' files and JupyterLab's page configuration.

Students' code writes these files. A page that an instructor opens must not run scripts from them.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.kernelspecs.handlers import KernelSpecResourceHandler
from jupyter_server.services.kernelspecs.handlers import kernel_name_regex

KERNEL_FILES = rf"/kernelspecs/{kernel_name_regex}/(?P<path>.*)"
"""Path of a file next to a kernel.json, such as its logo."""

_OWN_PAGE_CONFIG = ("disabledExtensions", "deferredExtensions")


class KernelFileHandler(KernelSpecResourceHandler):
    """Upstream's handler for kernels' files, with a sandbox: HTML and SVG get no origin and run no script."""

    @property
    def content_security_policy(self) -> str:
        """Return the header `Content-Security-Policy`."""
        return f"{super().content_security_policy}; sandbox"


def limit_page_config() -> None:
    """Take from a home's labconfig/page_config.json only the keys that turn extensions off.

    Other keys are addresses from which JupyterLab loads scripts, such as `fullLabextensionsUrl`.
    """
    from jupyterlab_server import config  # noqa: PLC0415 - upstream is imported when the server starts

    read = config.get_static_page_config

    def static_page_config(*_: Any, **__: Any) -> dict[str, Any]:  # noqa: ANN401 - upstream's signature
        home = read(level="user")
        merged = read(level="sys_prefix", include_higher_levels=True)
        for key in _OWN_PAGE_CONFIG:
            if isinstance(home.get(key), dict):
                merged[key] = {**merged.get(key, {}), **home[key]}
        return merged

    config.get_static_page_config = static_page_config
