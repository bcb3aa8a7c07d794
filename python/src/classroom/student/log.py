"""Filter of a student's server's log: warnings about upstream's own code, which nobody here can act on."""

from __future__ import annotations

import logging

_LOGGERS = ("LabApp", "tornado.general")
_KNOWN = (
    "was found in both NotebookApp and ServerApp",  # JupyterLab's shim for the configuration of Notebook 6
    "The websocket_ping_timeout (",  # `classroom.student.config` says why the default stays
)


def drop_known_warnings() -> None:
    """Keep those warnings out of the log."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not any(text in record.getMessage() for text in _KNOWN)
