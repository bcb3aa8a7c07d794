"""Search path of a student's packages: those of the home come before the image's, and pip can remove them.

`arrange` is called at the start of every Python of the image, by a `.pth` file (images/student.nix and
images/student/Dockerfile). It changes nothing for the server: its Python is isolated (`-I`).
"""

from __future__ import annotations

import os
import site
import sys

PROBLEM = "CLASSROOM_KERNEL_PROBLEM"
"""Environment variable with the reason why a kernel runs without the packages of the home."""


def arrange() -> None:
    """Put the home's packages before the image's, and let pip manage them.

    In a virtual environment they come last: an upgrade of the image's packages would have no effect, and pip refuses
    it. pip also does not touch files outside of a virtual environment, so that nothing could be uninstalled. Where the
    image is writable (`docker build` as root), pip installs into the image as into any virtual environment.
    """
    if sys.flags.no_user_site:
        return
    home = site.getusersitepackages()
    if home in sys.path:
        image = [path for path in sys.path if path.endswith("-packages") and path != home]
        sys.path.remove(home)
        sys.path.insert(sys.path.index(image[0]) if image else len(sys.path), home)
    if _runs_pip(sys.orig_argv):
        # nixpkgs' sitecustomize, which reads the .pth file, sets the environment's prefix only after this.
        prefix = os.environ.get("NIX_PYTHONPREFIX", sys.prefix)
        if not os.access(prefix, os.W_OK):
            sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = prefix


def _runs_pip(command: list[str]) -> bool:
    """Return whether a command line starts pip: `python -m pip`, or one of its scripts."""
    words = command[1:3]
    if words[:1] == ["-m"]:
        return words[1:] == ["pip"]
    return bool(words) and os.path.basename(words[0]).rstrip("0123456789.") == "pip"  # noqa: PTH119 - every start pays
