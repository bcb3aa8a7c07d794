"""The command of `make demo`, from its start to Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from demo import engine as engines
from demo import messages
from demo.children import Children
from demo.class_settings import TEACHER, last_spawner, process_settings, write
from demo.containers import Containers
from demo.errors import DemoError
from demo.node import Proxy
from demo.options import Places, check_listen, local_address, read_options
from demo.python import PythonEnvironment
from demo.screen import Screen
from demo.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.options import Options

_ROOT = Path(__file__).resolve().parents[1]
_NEEDED_SPACE = 1.5e9  # bytes: 0.85 GB stay, with Node


def main() -> int:
    """Run the demo, or with the argument `remove` remove all that it made; an error is a sentence and status 1."""
    screen = Screen(sys.stdout)
    places = Places(_ROOT)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with _alone(places):
            if sys.argv[1:] == ["remove"]:
                _remove(screen, places)
            else:
                _demo(screen, places, read_options(os.environ))
    except DemoError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        screen.line("  Stopped.")
        return 130
    except OSError as error:
        return _fail(messages.system_error(error))
    except Exception as error:  # noqa: BLE001 - the log has the traceback
        log = places.logs / "demo.log"
        log.write_text(traceback.format_exc(), encoding="utf-8")
        return _fail(f"The demo has a fault ({type(error).__name__}: {error}); please report it with {log}")
    return 0


def _demo(screen: Screen, places: Places, options: Options) -> None:
    check_listen(options)
    engine = engines.choose(options, os.environ)
    tasks, children = Tasks(), Children()
    children.adopt()
    containers = None
    try:
        environment, proxy = _prepare(screen, places, tasks)
        before = last_spawner(places)
        if isinstance(engine, engines.Engine):
            containers = Containers(places, options, engine, environment)
            settings = containers.prepare(screen, tasks, proxy)
        else:
            settings = process_settings(options, places, proxy)
        write(settings, places)
        _start(screen, places, children, environment, settings)
        if containers:
            containers.check_reach(tasks)
        if before not in {None, settings["spawner"]}:
            screen.line(f"  Homes start empty: those of the last start are kept for ENGINE={before}")
        _introduce(screen, places, options, engine)
        _compile_later(places, environment)
        _watch(children)
    except KeyboardInterrupt:
        screen.line()
        if not children:
            raise
    finally:
        _stop(screen, tasks, children, containers)


def _prepare(screen: Screen, places: Places, tasks: Tasks) -> tuple[Path, tuple[str, ...]]:
    """Return the environment's directory and the proxy's command; install what is missing or out of date."""
    given = os.environ.get("DEMO_ENVIRONMENT"), os.environ.get("DEMO_PROXY")
    if given[0] and given[1]:  # tests have both already
        return Path(given[0]), (given[1],)
    python, proxy = PythonEnvironment(places), Proxy(places)
    if not (python.is_ready and proxy.is_ready):
        free = shutil.disk_usage(places.directory).free
        if free < _NEEDED_SPACE:
            raise DemoError(
                f"There is no space: {free / 1e9:.1f} GB are free in {places.directory} and the demo needs "
                f"{_NEEDED_SPACE / 1e9} GB"
            )
        with screen.step("Installing", "Installed", long="one to three minutes, the first time") as step:
            if not python.is_ready:
                python.make_empty(tasks, step)
            if not proxy.is_ready:
                proxy.make(python, tasks, step)
            if not python.is_ready:
                python.fill(tasks, step)
    python.put_package()
    return python.directory, proxy.command


def _start(screen: Screen, places: Places, children: Children, environment: Path, settings: dict[str, Any]) -> None:
    program = environment / "bin" / "classroom"
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    with screen.step("Starting the proxy and the hub", "Proxy and hub started") as step:
        for number, part in enumerate(("proxy", "hub")):
            step.update(part, 0.5 - number / 2)
            log = places.logs / f"{part}.log"
            children.start(part, [str(program), part, f"--settings={places.settings}"], log, variables)
        children.wait_for(local_address(settings["hub"]["listen"]) + "hub/api/")
        children.wait_for(local_address(settings["proxy"]["listen"]) + "hub/login")


def _introduce(screen: Screen, places: Places, options: Options, engine: engines.Engine | engines.NoEngine) -> None:
    first = places.state / "secrets" / f"first-password-{TEACHER}"
    with contextlib.suppress(OSError):
        password = first.read_text(encoding="utf-8").strip()
        messages.introduce(screen, options, engine, password)
        return
    messages.introduce(screen, options, engine, None)


def _compile_later(places: Places, environment: Path) -> None:
    """Bytecode of all packages, while somebody reads the first page: servers start faster with it."""
    mark = environment / "classroom-demo-compiled"
    if environment != places.environment or mark.exists():
        return
    script = (
        "import compileall, pathlib, sys, sysconfig;"
        "compileall.compile_dir(sysconfig.get_path('purelib'), quiet=2);"
        "pathlib.Path(sys.argv[1]).touch()"
    )
    subprocess.Popen(
        ["nice", environment / "bin" / "python", "-c", script, mark],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _watch(children: Children) -> NoReturn:
    while True:
        children.check()
        time.sleep(0.5)


def _stop(screen: Screen, tasks: Tasks, children: Children, containers: Containers | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    tasks.stop()
    started = bool(children)
    if started:
        screen.line("  Stopping the students' servers, the hub and the proxy")
    children.stop()
    if containers:
        containers.down()
    if started:
        screen.line("  Nothing of the demo runs any more; accounts and files stay")


def _remove(screen: Screen, places: Places) -> None:
    if places.settings.exists():
        Containers.remove(places)
    shutil.rmtree(places.directory)
    screen.line("The demo's class is removed")


@contextlib.contextmanager
def _alone(places: Places) -> Iterator[None]:
    """Let one demo run in this checkout.

    Raises:
        DemoError: another one does.
    """
    places.logs.mkdir(parents=True, exist_ok=True)
    with (places.directory / "lock").open("a+", encoding="utf-8") as file:
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
        yield


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str) -> int:
    red, plain = ("\x1b[31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{red}{message}{plain}\n")
    return 1
