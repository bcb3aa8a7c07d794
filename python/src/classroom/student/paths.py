"""Where things are kept: on the container's /tmp what must work with a full home, in the home what is worth keeping."""

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


def missing(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the spawner did not set, with a value that works anywhere."""
    home = Path(environment.get("HOME") or Path.home())
    found = {name: str(home / path) for name, path in _HOME.items() if not environment.get(name)}
    absent = {name: path for name, path in _SCRATCH.items() if not environment.get(name)}
    if absent:
        scratch = Path(tempfile.mkdtemp(prefix="classroom-"))
        found |= {name: str(scratch / path) for name, path in absent.items()}
    return found


def make(environment: Mapping[str, str]) -> None:
    """Make the scratch folders, for nobody else to read."""
    for name in _SCRATCH:
        Path(environment[name]).mkdir(mode=0o700, parents=True, exist_ok=True)


def show_shared(home: Path, place: Path) -> None:
    """Put the folders that a container has from its student's groups into the home's sight: as `shared`.

    A link, for the home holds nothing that is not the student's, and is taken away again in a container that has none.
    What the student has under that name stays as it is.
    """
    link = home / "shared"
    with suppress(OSError):  # a full home starts all the same
        if link.is_symlink() and link.readlink() == place and not place.is_dir():
            link.unlink()
        elif place.is_dir() and not os.path.lexists(link):
            link.symlink_to(place)


def takes_writes(folder: Path) -> bool:
    """Tell whether a small file can be written below a folder (a full disk, a spent quota, a read-only mount)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".classroom-") as file:
            file.write(bytes(64 * 1024))
            file.flush()
    except OSError:
        return False
    return True


def memory(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many bytes of memory there are: the control group's limit (cgroups(7)), or else the machine's."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in (groups / "memory.max", groups / "memory" / "memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # not there, or "max"
            return min(machine, int(file.read_text(encoding="ascii")))
    return machine
