"""Launcher of a Python kernel: `python -m classroom.student.kernel -f FILE`, instead of `ipykernel_launcher`.

Where a package in the home prevents the start, the kernel starts without the packages of the home and says so, and the
student can uninstall the package there.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from classroom.student import installed
from classroom.student.packages import PROBLEM


def main() -> None:
    """Serve until the kernel is shut down."""
    if sys.path[0] in {"", os.getcwd()}:  # noqa: PTH109 - as upstream: files next to the notebook are no packages
        del sys.path[0]
    try:
        from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - may be one that the student installed

        app: Any = IPKernelApp.instance()
        app.initialize()
    except Exception as error:
        if sys.flags.no_user_site:
            raise
        os.environ[PROBLEM] = f"{type(error).__name__}: {error}"
        command = [sys.executable, "-s", "-m", "classroom.student.kernel", *sys.argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606 - no shell
    _show_problem(app)
    installed.watch(app.shell.events)
    app.start()


def _show_problem(app: Any) -> None:  # noqa: ANN401 - upstream's types do not say that there is a shell by now
    """Show the problem above the output of the first cell: earlier there is no place that a student would see."""
    problem = os.environ.pop(PROBLEM, "")
    if not problem:
        return
    events = app.shell.events

    def show(*_: object) -> None:
        events.unregister("pre_run_cell", show)
        sys.stderr.write(
            f"A package in your home prevents Python from starting ({problem}). This notebook runs without the "
            "packages of your home. Uninstall the one that you installed last (%pip uninstall --yes NAME), then "
            "restart the kernel.\n"
        )

    events.register("pre_run_cell", show)


if __name__ == "__main__":
    main()
