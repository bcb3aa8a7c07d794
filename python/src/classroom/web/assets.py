"""The pages' templates and static files."""

from __future__ import annotations

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
"""For `c.JupyterHub.template_paths`; they extend JupyterHub's own."""

STATIC = Path(__file__).parent / "static"
"""Served under `/hub/classroom-static/`."""
