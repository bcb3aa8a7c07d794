"""Launcher of a Python kernel: `python -I -m classroom.student.kernel -f FILE`, instead of `ipykernel_launcher`.

Where a package in the home prevents the start, the kernel starts without the packages of the home and says so, and the
student can uninstall the package there. Files next to the notebook are on the path only after the start, and behind the
standard library: `import helper` works, and a `types.py` of the student does not end every kernel.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
from typing import Any

from classroom.student import installed
from classroom.student.packages import PROBLEM

_PATIENCE = 20  # seconds for an empty program


def main() -> None:
    """Serve until the kernel is shut down."""
    if sys.flags.isolated:
        _restart(_problem_of_packages())
    try:
        from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - may be one that the student installed

        app: Any = IPKernelApp.instance()
        app.ignore_cwd = True
        app.initialize()
    except Exception as error:
        if sys.flags.no_user_site:
            raise
        _restart(f"{type(error).__name__}: {error}")
    _add_folder_of_notebook()
    _show_problem(app)
    installed.watch(app.shell.events)
    app.start()


def _problem_of_packages() -> str:
    """Return why Python does not start with the packages of the home, such as a .pth file that ends it; or ""."""
    if not os.path.isdir(site.getusersitepackages()):  # noqa: PTH112 - every start pays for an import
        return ""
    command = [sys.executable, "-P", "-c", ""]
    try:
        done = subprocess.run(command, check=False, cwd="/", timeout=_PATIENCE, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"Python does not start within {_PATIENCE} s"
    return f"Python ends with code {done.returncode}" if done.returncode else ""


def _restart(problem: str) -> None:
    """Replace this process by a kernel with the packages of the home, or, with a problem, by one without."""
    if problem:
        os.environ[PROBLEM] = problem
    options = ["-P", *(["-s"] if problem else [])]
    command = [sys.executable, *options, "-m", "classroom.student.kernel", *sys.argv[1:]]
    os.execv(sys.executable, command)  # noqa: S606 - no shell


def _add_folder_of_notebook() -> None:
    """Put the working directory where IPython does: after the standard library, and before the packages."""
    packages = [place for place, path in enumerate(sys.path) if path.endswith("-packages")]
    sys.path.insert(packages[0] if packages else len(sys.path), "")


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
