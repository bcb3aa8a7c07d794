"""The hub's pages and HTTP API, and where their templates and static files are."""

from __future__ import annotations

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
"""For `c.JupyterHub.template_paths`; they extend JupyterHub's own."""

STATIC = Path(__file__).parent / "static"
"""Served under `/hub/classroom-static/`."""
