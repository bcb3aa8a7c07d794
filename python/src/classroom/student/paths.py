"""Directories of a student's server: scratch files on /tmp, which works with a full home; lasting files in the home."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCRATCH = {
    # The server's address and keys of its kernels; upstream keeps its cookie secret there too.
    "JUPYTER_RUNTIME_DIR": "runtime",
    # A kernel does not start where IPython cannot make its profile and history.
    "IPYTHONDIR": "ipython",
    "MPLCONFIGDIR": "matplotlib",
    "XDG_CACHE_HOME": "cache",
}

_HOME = {
    # Downloaded models: gigabytes that would count as memory on a tmpfs and be gone with the container.
    "HF_HOME": ".cache/huggingface",
    "TORCH_HOME": ".cache/torch",
}

_REPRODUCIBLE = 86400 * 366 * 11
"""Seconds; tar and Nix date reproducible files to 1970, zip to 1980."""

_FONTS = Path("/usr/share/fonts")
_PLOTS = {"wqy-microhei.ttc": "font.family: sans-serif, WenQuanYi Micro Hei\n"}
"""Settings of Matplotlib by the font that they need. Its default draws no Chinese, Japanese or Korean."""

SERVER_DIRECTORY = Path(__file__).parent / "lab" / "extensions"
"""Working directory of the server process: nobody can write there, and it has no files.

nbconvert takes templates, which are code, and names of classes to import from the working directory.
"""


def default_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the spawner did not set, with a value that works anywhere."""
    home = Path(environment.get("HOME") or Path.home())
    variables = {name: str(home / path) for name, path in _HOME.items() if not environment.get(name)}
    if environment.get("CLASSROOM_TIME_ZONE"):
        variables["TZ"] = environment.get("TZ") or environment["CLASSROOM_TIME_ZONE"]
    absent = {name: path for name, path in _SCRATCH.items() if not environment.get(name)}
    if absent:
        scratch = Path(tempfile.mkdtemp(prefix="classroom-"))
        variables |= {name: str(scratch / path) for name, path in absent.items()}
    return variables


def make_scratch_directories(environment: Mapping[str, str]) -> None:
    """Create the scratch directories; only their owner can read them."""
    for name in _SCRATCH:
        Path(environment[name]).mkdir(mode=0o700, parents=True, exist_ok=True)
    plots = "".join(setting for font, setting in _PLOTS.items() if any(_FONTS.rglob(font)))
    with suppress(OSError):
        (Path(environment["MPLCONFIGDIR"]) / "matplotlibrc").write_text(plots, encoding="ascii")


def link_shared_directory(home: Path, shared: Path) -> None:
    """Link the shared directories of the student's groups into the home, as `shared`.

    The link is removed again in a container that has none. A student's own file of that name stays as it is.
    """
    link = home / "shared"
    with suppress(OSError):  # a server with a full home must still start
        if link.is_symlink() and link.readlink() == shared and not shared.is_dir():
            link.unlink()
        elif shared.is_dir() and not os.path.lexists(link):
            link.symlink_to(shared)


def date_new_files(home: Path, files: Path = Path(__file__).parent / "files") -> None:
    """Give the files that a home begins with the current time: in a reproducible image they are of 1970.

    Args:
        home: of the student.
        files: those that the image copies into it.
    """
    for name in (file.name for file in files.glob("*")):
        with suppress(OSError):  # removed by the student, or a home that cannot be written to
            if (home / name).lstat().st_mtime < _REPRODUCIBLE:
                os.utime(home / name, follow_symlinks=False)


def start_directory(requested: str | None, home: Path) -> Path:
    """Return the directory in which a terminal starts.

    Args:
        requested: the directory that the browser asked for. Upstream resolves "" and names of folders against the
            server's working directory if they exist there; they mean the home.
        home: the student's home.
    """
    if requested is None:
        return home
    directory = Path(requested)
    if directory.is_relative_to(SERVER_DIRECTORY.resolve()):
        directory = home / directory.relative_to(SERVER_DIRECTORY.resolve())
    return directory if directory.is_dir() else home


def is_writable(directory: Path) -> bool:
    """Return whether a small file fits into a directory: not on a full disk, a used-up quota, a read-only mount."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".classroom-") as file:
            file.write(bytes(64 * 1024))
            file.flush()
    except OSError:
        return False
    return True


def memory_limit(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return bytes of memory that may be used: the control group's limit (cgroups(7)), or else the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in (groups / "memory.max", groups / "memory" / "memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # missing, or "max"
            return min(machine, int(file.read_text(encoding="ascii")))
    return machine
