"""Start a student's server: `python -I -m classroom.student`.

`-I` keeps everything in the home (packages, the working directory, PYTHON* variables) out of this process. Kernels are
started without it and do see what the student installed.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def main() -> None:
    """Serve until SIGTERM."""
    if not sys.flags.isolated:
        # Otherwise a package in the home could replace one of ours before the first request is checked.
        os.execv(sys.executable, [sys.executable, "-I", "-m", "classroom.student", *sys.argv[1:]])  # noqa: S606
    # Before anything of Jupyter reads its environment and the home.
    from classroom.student import home_repair, import_stubs, paths  # noqa: PLC0415

    home_repair.run(Path(os.environ["HOME"]))
    os.environ.update(paths.default_variables(os.environ))
    paths.make_scratch_directories(os.environ)
    _hide_memory()
    os.chdir(paths.SERVER_DIRECTORY)
    paths.date_new_files(Path(os.environ["HOME"]))
    if shared := os.environ.get("CLASSROOM_SHARED"):
        paths.link_shared_directory(Path(os.environ["HOME"]), Path(shared))
    # Nothing that an import makes is garbage: a sixth of the time. `StudentServerApp.start` turns collection on again.
    gc.disable()
    with import_stubs.stubbed_imports():
        from classroom.student import home_files  # noqa: PLC0415
        from classroom.student.server import StudentServer  # noqa: PLC0415
    import_stubs.disable_lab_builds()
    home_files.limit_page_config()
    StudentServer.launch_instance()


def _hide_memory() -> None:
    """Refuse students' code, which has the same user, the memory of this process and its core dumps (prctl(2)).

    The process holds tokens of the users who open the server. Kernels and terminals are other programs and keep theirs.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


if __name__ == "__main__":
    main()
