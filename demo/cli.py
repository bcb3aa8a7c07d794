"""Second stage, in the demo's environment: the class from its start to Ctrl-C, and its removal from Docker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.settings.file import load_settings
from demo import containers
from demo.children import Children
from demo.class_settings import write_settings
from demo.first_stage import SIGNALS, report_errors
from demo.options import ANY, TEACHER, DemoError, choose_engine, read_options
from demo.screen import Screen

if TYPE_CHECKING:
    from classroom.settings.models import Settings
    from demo.options import Paths

_COMPILE = """
import compileall, pathlib, sys, sysconfig
compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2)
pathlib.Path(sys.argv[1]).touch()
"""


def main(paths: Paths) -> int:
    """Run the demo, or remove what it has in Docker; return the exit status."""
    removes = sys.argv[1:] == ["remove"]
    try:
        if removes:
            containers.remove(load_settings(paths.settings))
        else:
            _run(paths)
    except ClassroomError as error:
        raise DemoError(f"Not removed: {error}" if removes else f"{error}") from error
    return 0


def _run(paths: Paths) -> None:
    options = read_options(os.environ)
    engine, reason = choose_engine(options, os.environ)
    screen, children = Screen(), Children()
    children.adopt()
    settings = None
    try:
        before = paths.last_spawner()
        settings = write_settings(options, paths, sys.argv[1:], engine)
        if engine:
            containers.make_bridge(settings)
            containers.make_image(options, paths, engine.host, screen)
        _start(screen, paths, children, settings)
        if engine:
            containers.check_hub_is_reached(settings)
        if before not in {None, settings.spawner}:
            screen.line(f"  Homes start empty: those of the last start are kept for ENGINE={before}")
        first = paths.state / "secrets" / f"first-password-{TEACHER}"
        screen.introduce(options, engine, reason, first.read_text().strip() if first.exists() else None)
        _compile_packages(paths)
        while True:
            children.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        screen.line()
        if not children:
            raise
    finally:
        _stop(screen, children, settings if engine else None)


def _start(screen: Screen, paths: Paths, children: Children, settings: Settings) -> None:
    program = Path(sys.executable).with_name("classroom")
    with screen.step("Starting the proxy and the hub", "Proxy and hub started") as update:
        for number, name in enumerate(("proxy", "hub")):
            update(number / 2, "")
            children.start(name, [program, name, f"--settings={paths.settings}"], paths.logs / f"{name}.log")
        children.wait_for(f"http://{settings.hub.listen}/hub/api/")
        children.wait_for(f"http://{settings.proxy.listen.replace(ANY, '127.0.0.1')}/hub/login")


def _compile_packages(paths: Paths) -> None:
    """Start to compile the installed packages, so that servers start faster."""
    mark = paths.environment / "classroom-demo-compiled"
    if Path(sys.prefix) == paths.environment and not mark.exists():
        silent = subprocess.DEVNULL
        subprocess.Popen(["nice", sys.executable, "-c", _COMPILE, mark], stdin=silent, stdout=silent, stderr=silent)


def _stop(screen: Screen, children: Children, settings: Settings | None) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    started = bool(children)
    if started:
        screen.line("  Stopping the students' servers, the hub and the proxy")
    children.stop()
    if settings:
        with contextlib.suppress(ClassroomError):
            containers.stop(settings)
    if started:
        screen.line("  The demo has stopped. Accounts and files are kept")


if __name__ == "__main__":
    raise SystemExit(report_errors(main))
