"""First stage, on the standard library alone: checks, the environment, and the start of `demo.cli` in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from demo.install import Environment
from demo.options import DemoError, Paths, check_listen, choose_engine, read_options, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Start the demo, or with the argument `remove` remove all that it made; return the exit status."""
    return report_errors(_remove if sys.argv[1:] == ["remove"] else _start)


def report_errors(stage: Callable[[Paths], int]) -> int:
    """Run a stage and return its exit status; an error is a sentence on standard error and status 1."""
    paths = Paths()
    try:
        for number in SIGNALS:
            signal.signal(number, _interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        paths.logs.mkdir(parents=True, exist_ok=True)
        return stage(paths)
    except KeyboardInterrupt:
        write("  Stopped.\n")
        return 130
    except DemoError as error:
        message = str(error)
    except OSError as error:
        message = explain_system_error(error)
    except Exception as error:  # noqa: BLE001 - the log has the traceback
        log = paths.logs / "demo.log"
        log.write_text(traceback.format_exc(), encoding="utf-8")
        message = f"The demo has a fault ({type(error).__name__}: {error}); please report it with {log}"
    write(f"\x1b[31m{message}\x1b[0m\n" if sys.stderr.isatty() else f"{message}\n", sys.stderr)
    return 1


def explain_system_error(error: OSError) -> str:
    """Return a sentence about an error of the operating system."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"There is no space left on the disk ({error.filename or 'the demo needs about 1.5 GB'})"
    return f"{error.filename or 'The system'}: {error.strerror or error}; fix that and run `make demo` again"


def _start(paths: Paths) -> int:
    with _lock(paths):
        options = read_options(os.environ)
        check_listen(options)
        choose_engine(options, os.environ)
        proxy = [os.environ.get("DEMO_PROXY", "")]  # tests have both already
        if "DEMO_ENVIRONMENT" not in os.environ:
            environment = Environment(paths)
            environment.make()
            proxy = environment.proxy_command
        os.chdir(paths.root)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until `demo.cli` handles them
        python = str(_python(paths))
        os.execve(python, [python, "-m", "demo.cli", *proxy], _variables())  # noqa: S606 - no shell


def _remove(paths: Paths) -> int:
    with _lock(paths):
        if paths.last_spawner() == "docker":
            command = [str(_python(paths)), "-m", "demo.cli", "remove"]
            done = subprocess.run(command, check=False, env=_variables(), cwd=paths.root)
            if done.returncode:
                return done.returncode
        shutil.rmtree(paths.directory)
        write("The demo's class is removed\n")
        return 0


def _python(paths: Paths) -> Path:
    return Path(os.environ.get("DEMO_ENVIRONMENT") or paths.environment) / "bin" / "python"


def _variables() -> dict[str, str]:
    """Return the variables of this process without those of make and of another Python."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}


@contextlib.contextmanager
def _lock(paths: Paths) -> Iterator[None]:
    """Let one demo run in this checkout; raise DemoError if another one does."""
    with (paths.directory / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise DemoError(
                f"A demo of this checkout already runs (process {file.read().strip()}): stop it with Ctrl-C where it "
                "runs, or by kill and that number"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - `demo.cli`, the same process, holds the lock
        yield


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
