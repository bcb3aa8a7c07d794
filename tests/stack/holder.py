"""Process 1 of a stack: it collects orphans and ends with the supervisor, and all others end with it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from stack import supervisor
from stack.layout import Layout


def main() -> int:
    """Hold the namespaces open until the supervisor ends."""
    child = os.fork()
    if child == 0:
        # Signals that have no handler do not reach process 1; the supervisor is an ordinary process.
        os._exit(supervisor.main(Layout(Path(sys.argv[1])), Path(sys.argv[2]), keep="--keep" in sys.argv[3:]))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    raise SystemExit(main())
