"""Start a Python kernel: `python -m classroom.student.kernel -f FILE`, in the place of `ipykernel_launcher`.

A package in the home that keeps the kernel from starting is not the end of the notebook: the kernel starts without the
home's packages and says so, and the student can uninstall the package there.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from classroom.student.packages import PROBLEM


def main() -> None:
    """Serve until the kernel is shut down."""
    if sys.path[0] in {"", os.getcwd()}:  # noqa: PTH109 - as upstream: notebooks beside this one are no packages
        del sys.path[0]
    try:
        from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - may be one that the student installed

        app: Any = IPKernelApp.instance()
        app.initialize()
    except Exception as error:
        if sys.flags.no_user_site:
            raise
        os.environ[PROBLEM] = f"{type(error).__name__}: {error}"
        again = [sys.executable, "-s", "-m", "classroom.student.kernel", *sys.argv[1:]]
        os.execv(sys.executable, again)  # noqa: S606 - no shell
    _tell(app)
    app.start()


def _tell(app: Any) -> None:  # noqa: ANN401 - upstream's types do not say that there is a shell by now
    """Say it above the output of the first cell: earlier there is no place where a student would see it."""
    problem = os.environ.pop(PROBLEM, "")
    if not problem:
        return
    events = app.shell.events

    def tell(*_: object) -> None:
        events.unregister("pre_run_cell", tell)
        sys.stderr.write(
            f"A package in your home keeps Python from starting ({problem}). This notebook runs without the packages "
            "of your home. Uninstall the one that you installed last (%pip uninstall --yes NAME), then restart the "
            "kernel.\n"
        )

    events.register("pre_run_cell", tell)


if __name__ == "__main__":
    main()
