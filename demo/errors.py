"""The one error that whoever tries the demo is meant to read."""

from __future__ import annotations


class DemoError(Exception):
    """What is wrong and what to do about it, in a sentence. No traceback is shown."""
