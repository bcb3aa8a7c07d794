"""Process 1 of a stack: it collects orphans and ends with the supervisor, and all others end with it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
from pathlib import Path

from stack import supervisor
from stack.layout import Layout


def main() -> int:
    """Keep the namespaces until the supervisor ends, then remove the stack's files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    layout = Layout(options.directory)
    child = os.fork()
    if child == 0:
        # Signals that have no handler do not reach process 1; the supervisor is an ordinary process.
        os._exit(supervisor.main(layout, options.root, keep=options.keep))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    status = _collect(child)
    if status == 0:
        # The process that started the stack may have ended. After a failure it runs and needs the logs.
        _end_all()
        layout.remove()
    return status


def _collect(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _end_all() -> None:
    os.kill(-1, signal.SIGKILL)  # all processes of this namespace but this one
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


if __name__ == "__main__":
    raise SystemExit(main())
