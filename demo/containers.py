"""The demo with a Docker engine: the student image, made once, and a bridge of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from demo.class_settings import IMAGE, docker_settings, with_hub_on_bridge, write
from demo.errors import DemoError
from demo.tasks import TaskError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from demo.engine import Engine
    from demo.options import Options, Places
    from demo.screen import Screen, Step
    from demo.tasks import Tasks

_BASE_IMAGE = "python:3.13-slim"
"""Where debootstrap cannot run; the Python of the Nix images."""
_HELPER = "demo/docker_class.py"


class Containers:
    """Bridge, image and containers of the demo."""

    def __init__(self, places: Places, options: Options, engine: Engine, environment: Path) -> None:
        """Make nothing yet."""
        self._places = places
        self._options = options
        self._engine = engine
        self._python = environment / "bin" / "python"
        self._made = False

    def prepare(self, screen: Screen, tasks: Tasks, proxy: Sequence[str]) -> dict[str, Any]:
        """Make bridge and image, and return the class's settings.

        Raises:
            DemoError: with the reason and the remedy.
        """
        settings = docker_settings(self._options, self._places, proxy, self._engine)
        write(settings, self._places)
        self._made = True
        self._help(tasks, "up")
        gateway = str(IPv4Network(settings["network"]["subnet"])[1])
        try:
            settings = with_hub_on_bridge(settings, gateway)
        except DemoError as error:
            raise DemoError(
                f"The Docker engine at {self._engine.host} puts its bridges elsewhere than on this machine (it is "
                "rootless, in a virtual machine or far away): ENGINE=process shows the site without containers"
            ) from error
        self._make_image(screen, tasks)
        return settings

    def check_reach(self, tasks: Tasks) -> None:
        """Check that containers reach the hub.

        Raises:
            DemoError: they do not.
        """
        self._help(tasks, "reach")

    def down(self) -> None:
        """Stop the students' servers and remove the bridge, as far as that can be done."""
        if self._made:
            _run_helper(self._python, self._places, "down")

    @staticmethod
    def remove(places: Places) -> None:
        """Remove all that a demo has in the engine, homes included.

        Raises:
            DemoError: the engine does not let us.
        """
        if json.loads(places.settings.read_text(encoding="utf-8"))["spawner"] != "docker":
            return
        done = _run_helper(places.environment / "bin" / "python", places, "remove")
        if done.returncode:
            raise DemoError(f"Not removed, since {done.stdout.strip()}")

    def _make_image(self, screen: Screen, tasks: Tasks) -> None:
        log = self._places.logs / "image.log"
        line: list[str | Path] = [self._python, self._places.root / "images" / "debian", "image", f"--tag={IMAGE}"]
        line += [f"--host={self._engine.host}", *self._base()]
        steps = _Steps(screen)
        cache = {"XDG_CACHE_HOME": str(self._places.directory / "cache")}
        try:
            with steps.shown:
                tasks.run(line, log, environment=cache, on_line=steps.line)
        except TaskError as error:
            reason = [line for line in error.output.splitlines() if not line.startswith("step ")]
            raise DemoError(
                "\n    ".join(["The students' image could not be made:", *reason[-8:]])
                + f"\n  All of it: {log}. BASE_IMAGE=NAME builds on another image of Debian or Ubuntu; "
                "ENGINE=process needs no image."
            ) from error

    def _base(self) -> list[str]:
        if self._options.base_image:
            return [f"--base-image={self._options.base_image}"]
        if os.geteuid() == 0 and shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            return []
        return [f"--base-image={_BASE_IMAGE}"]

    def _help(self, tasks: Tasks, action: str) -> None:
        line: list[str | Path] = [self._python, "-I", self._places.root / _HELPER, action, self._places.settings]
        try:
            tasks.run(line, self._places.logs / "docker.log")
        except TaskError as error:
            raise DemoError(error.output.strip() or str(error)) from error


class _Steps:
    """What the image's builder says: `step 1/6 making Debian`; nothing but its last line if there is nothing to do."""

    def __init__(self, screen: Screen) -> None:
        self.shown = contextlib.ExitStack()
        self._screen = screen
        self._step: Step | None = None

    def line(self, text: str) -> None:
        first, _, rest = text.partition(" ")
        if first != "step":
            return
        if self._step is None:
            words = ("Making the students' image", "The students' image was made")
            self._step = self.shown.enter_context(self._screen.step(*words, long="a few minutes, the first time"))
        count, _, what = rest.partition(" ")
        number, _, total = count.partition("/")
        self._step.update("image", (int(number) - 1) / int(total), detail=what)
        self._step.say(what)


def _run_helper(python: Path, places: Places, action: str) -> subprocess.CompletedProcess[str]:
    line: list[str | Path] = [python, "-I", places.root / _HELPER, action, places.settings]
    return subprocess.run(line, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
