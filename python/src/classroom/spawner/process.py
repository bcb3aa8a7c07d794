"""Process spawner: students' servers as processes without isolation, to show the site without a Docker engine."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jupyterhub.spawner import SimpleLocalProcessSpawner, SpawnException
from traitlets import Instance, default

from classroom.accounts.homes import home_location
from classroom.docker.container import ENVIRONMENT
from classroom.settings.models import Settings
from classroom.spawner.readiness import answers

if TYPE_CHECKING:
    from collections.abc import Callable

WELCOME = Path(__file__).parents[1] / "student" / "files" / "Welcome.ipynb"


class ProcessSpawner(SimpleLocalProcessSpawner):
    """One process and one home directory for each student, all of the hub's user."""

    settings = Instance(Settings, config=True, help="The class's settings.")

    @default("home_dir")
    def _home_dir(self) -> str:
        escaped = self.user.escaped_name.replace("/", "-")
        location = home_location(self.user.db, self.user.name, escaped, self.settings.docker.prefix)
        return str(self.settings.paths.state / "homes" / location)

    @default("cmd")
    def _cmd(self) -> list[str]:
        return [sys.executable, "-I", "-m", "classroom.student"]

    def make_preexec_fn(self, _name: str) -> Callable[[], None] | None:
        """Return nothing to do between fork and exec: `start` makes the home."""
        return None

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Return the environment of a container's server, with the student's own /tmp."""
        scratch = Path(self.home_dir).with_suffix(".tmp")
        moved = {name: value.replace("/tmp", str(scratch), 1) for name, value in ENVIRONMENT.items()}
        return env | moved | {"HOME": self.home_dir, "USER": self.user.name, "PATH": _path()}

    async def start(self) -> tuple[str, int]:
        """Create the home, with the welcome notebook if it is new, and start the server in it."""
        home = Path(self.home_dir)
        await asyncio.to_thread(_make_home, home)
        self.popen_kwargs = {"cwd": home}
        host, port = await super().start()
        if not await answers(f"http://{host}:{port}{self.server.base_url}api", self._is_gone):
            raise SpawnException("The server stopped at once. Your files are safe.", reason="died", status_code=503)
        return host, port

    async def _is_gone(self) -> bool:
        return await self.poll() is not None


def _make_home(home: Path) -> None:
    if not home.exists():
        home.mkdir(mode=0o700, parents=True)
        shutil.copy(WELCOME, home)


def _path() -> str:
    return f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
