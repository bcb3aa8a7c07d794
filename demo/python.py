"""The demo's own Python environment: the packages of the lock and this checkout's `classroom`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from demo.errors import DemoError
from demo.messages import explain_pip
from demo.tasks import TaskError

if TYPE_CHECKING:
    from demo.options import Places
    from demo.screen import Step
    from demo.tasks import Tasks

_READY = "classroom-demo-ready"
_WEIGHT = 5  # of the bar, where the proxy is 1
_SHARE_OF_DOWNLOADS = 0.7  # of the time; the rest is unpacking


class PythonEnvironment:
    """A virtual environment below the demo's directory, made again when the lock or the Python has changed."""

    def __init__(self, places: Places) -> None:
        """Make nothing yet."""
        self.directory = places.environment
        self.python = self.directory / "bin" / "python"
        self._places = places
        self._lock = places.root / "python" / "locks" / "demo.txt"
        self._ready = self.directory / _READY

    @property
    def site(self) -> Path:
        """Where its packages are."""
        return self.directory / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"

    @property
    def is_ready(self) -> bool:
        """Whether it holds what the lock says."""
        return self.python.exists() and _text(self._ready) == self._wanted()

    def make_empty(self, tasks: Tasks, step: Step) -> None:
        """Make it with nothing in it but pip.

        Raises:
            DemoError: with the reason and the remedy.
        """
        if importlib.util.find_spec("ensurepip") is None:
            name = f"python3.{sys.version_info[1]}-venv"
            raise DemoError(
                f"Python's venv is not complete: run `apt-get install {name}`"
                f"{'' if os.geteuid() == 0 else ' as root'} (elsewhere than on Debian and Ubuntu: the package with "
                "Python's ensurepip), then `make demo` again"
            )
        step.update("python", 0.01, weight=_WEIGHT, detail="a Python environment")
        shutil.rmtree(self.directory, ignore_errors=True)
        log = self._places.logs / "install.log"
        try:
            tasks.run([sys.executable, "-m", "venv", self.directory], log)
        except TaskError as error:
            raise DemoError(explain_pip(error.output, log)) from error

    def fill(self, tasks: Tasks, step: Step) -> None:
        """Install the packages of the lock.

        Raises:
            DemoError: with the reason and the remedy.
        """
        log = self._places.logs / "install.log"
        seen = _Seen(self, step)
        # A file system in memory, as /tmp may be, can be too small for the downloads.
        temporary = self._places.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        options = ["--no-deps", "--require-hashes", "--no-compile", "--progress-bar=off", "--disable-pip-version-check"]
        if not {"PIP_CACHE_DIR", "PIP_NO_CACHE_DIR"} & os.environ.keys():
            options.append("--no-cache-dir")  # all that the demo makes is below its own directory
        try:
            tasks.run(
                [self.python, "-m", "pip", "install", *options, "-r", self._lock],
                log,
                environment={"TMPDIR": str(temporary)},
                on_line=seen.line,
            )
        except TaskError as error:
            raise DemoError(explain_pip(error.output, log)) from error
        finally:
            seen.finished.set()
            shutil.rmtree(temporary, ignore_errors=True)
        self._ready.write_text(self._wanted(), encoding="utf-8")

    def put_package(self) -> None:
        """Put this checkout's `classroom` in; a pull or an edit does not change a class that runs."""
        source = self._places.root / "python" / "src" / "classroom"
        target = self.site / "classroom"
        mark = self.site / ".classroom-demo-package"
        key = _key(*sorted(file for file in source.rglob("*") if file.is_file() and "__pycache__" not in file.parts))
        if _text(mark) == key:
            return
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        version = re.findall(
            r'^__version__ = "(.+)"', (source / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE
        )[0]
        metadata = self.site / f"classroom-{version}.dist-info"
        metadata.mkdir(exist_ok=True)
        # The least that makes importlib.metadata know the package (PyPA's core metadata specification).
        text = f"Metadata-Version: 2.1\nName: classroom\nVersion: {version}\n"
        (metadata / "METADATA").write_text(text, encoding="utf-8")
        program = self.directory / "bin" / "classroom"
        program.write_text(f"#!{self.python}\nfrom classroom.cli.main import main\n\nmain()\n", encoding="utf-8")
        program.chmod(0o755)
        mark.write_text(key, encoding="utf-8")

    def _wanted(self) -> str:
        return _key(self._lock, f"{sys.version_info[:2]} {platform.machine()}", str(self.directory))


class _Seen:
    """How far pip is: it tells what it downloads and is silent while it unpacks, but the directory fills."""

    def __init__(self, environment: PythonEnvironment, step: Step) -> None:
        text = environment._lock.read_text(encoding="utf-8")  # noqa: SLF001 - the same file's
        self._count = sum(1 for line in text.splitlines() if line[:1].isalnum())
        self._site = environment.site
        self._step = step
        self._downloaded = 0
        self.finished = threading.Event()

    def line(self, text: str) -> None:
        """Take in one line of pip's."""
        first, _, rest = text.strip().partition(" ")
        if first == "Ignoring":
            self._count -= 1
        elif first in {"Collecting", "Processing"}:
            self._downloaded += 1
            name = Path(rest).name.partition("-")[0] if first == "Processing" else rest.partition("=")[0]
            self._tell(_SHARE_OF_DOWNLOADS * self._downloaded / self._count, name)
        elif first == "Installing" and rest.startswith("collected"):
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self.finished.wait(0.3):
            unpacked = len(list(self._site.glob("*.dist-info")))
            self._tell(_SHARE_OF_DOWNLOADS + (1 - _SHARE_OF_DOWNLOADS) * unpacked / self._count, "unpacking")

    def _tell(self, fraction: float, detail: str) -> None:
        self._step.update("python", fraction, weight=_WEIGHT, detail=detail)


def _key(*parts: Path | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            digest.update(str(part).encode() + b"\0")
        digest.update((part.read_bytes() if isinstance(part, Path) else part.encode()) + b"\0")
    return digest.hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
