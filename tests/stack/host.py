"""A stack on this machine: start, enter, remove."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from images.student.common import cache_directory, locked
from stack import deployment, hub_packages, roots, templates
from stack.common import PYTHON_PATH, REPOSITORY, StackError, run, search_path
from stack.control import ask
from stack.layout import Layout
from stack.requirements import missing
from stack.supervisor import PARTS
from stack.world import ADDRESSES, INDEX, UPLINK
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_START = 120  # seconds; a loaded machine with two cores needs twenty
_STOP = 60
_IMAGES = (sys.executable, "-m", "images.student")


@dataclass
class Stack:
    """A stack whose supervisor runs."""

    layout: Layout
    process: subprocess.Popen[bytes] | None
    """`unshare`, the parent of the stack's process 1; None for a stack that another process started."""

    def ask(self, *arguments: str) -> None:
        """Ask the supervisor; an answer that is not 0 is an error with what it wrote."""
        reading, writing = os.pipe()
        with os.fdopen(reading, errors="replace") as output:
            try:
                status = ask(self.layout.control, arguments, (0, writing, writing))
            finally:
                os.close(writing)
            if status:
                raise StackError(f"{' '.join(arguments)}: {output.read()}")

    def enter(self) -> list[str]:
        """Return the prefix of a command that runs with the parts: in their network, mount and process namespaces."""
        pid = (self.layout.directory / "pid").read_text(encoding="ascii")
        return ["nsenter", f"--target={pid}", "--net", "--mount", "--pid", f"--wd={Path.cwd()}", "--"]

    @property
    def docker(self) -> str:
        """The command of Docker's client in the engine's root, as a shell reads it."""
        return f"{sys.executable} -m stack ctl {self.layout.directory} docker"

    def environment(self) -> dict[str, str]:
        """Return the environment of a command that runs with the parts."""
        found = list((self.layout.state / "secrets").glob(f"first-password-{deployment.ADMIN}"))
        return {
            **os.environ,
            "CLASSROOM_URL": f"http://127.0.0.1:{deployment.PORT}",
            "CLASSROOM_SERVER": f"{sys.executable} -m stack ctl {self.layout.directory}",
            "CLASSROOM_ADMIN": deployment.ADMIN,
            "CLASSROOM_ADMIN_PASSWORD": found[0].read_text(encoding="utf-8").strip() if found else "",
            "CLASSROOM_OUTSIDE": json.dumps({**ADDRESSES, "uplink": UPLINK}),
            "PYTHONPATH": f"{REPOSITORY}/tests:{REPOSITORY}/python/src:{REPOSITORY}",
            # If this machine lacks ip, nft or iptables, those of the engine's root are used.
            "PATH": f"{search_path()}:{self.layout.directory}/bin",
        }

    def down(self) -> None:
        """End the stack within a bound and remove its files.

        Nothing is worth an orderly end: its data and settings go.
        """
        pid_file = self.layout.directory / "pid"
        if self.process is not None:
            if self.process.stdin is not None:
                self.process.stdin.close()  # tells the supervisor
            else:
                self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP)
            self.process.kill()  # its child is process 1 and dies with it, by --kill-child
            self.process.wait()
        elif not self.layout.stale and pid_file.exists():
            _end(int(pid_file.read_text(encoding="ascii")))
        self.layout.remove()


def _end(pid: int) -> None:
    """End a process 1 and wait until it and all its others are gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], _STOP)[0]:
                return
    finally:
        os.close(descriptor)


def _start_ground(root: Path, *, template: Path | None, keep: bool = False) -> Stack:
    """Create the namespaces, the outside world and the engine's root; no part runs yet.

    Args:
        root: the engine's root file system.
        template: an engine's data to begin with a copy of.
        keep: let the stack outlive this process.
    """
    layout = Layout.new()
    descriptors = [layout.use()]
    process = None
    try:
        deployment.write(layout, roots.proxy_command())
        if template is not None:
            templates.copy(template, layout.engine_data)
        arguments = ["--keep"] if keep else []
        process = _start_holder(layout, [str(layout.directory), str(root), *arguments], descriptors, keep=keep)
        ready = layout.run / "ready"
        started = process
        wait_until(lambda: ready.exists() or started.poll() is not None, "the stack's namespaces exist", _START)
        if not ready.exists():
            raise StackError(layout.log("supervisor").read_text(errors="replace"))  # noqa: TRY301 - the stack is ended below
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
        (layout.directory / "pid").write_text(children.split()[0], encoding="ascii")
    except BaseException:
        Stack(layout, process).down()
        raise
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return Stack(layout, process)


def _start_holder(
    layout: Layout, arguments: Sequence[str], descriptors: Sequence[int], *, keep: bool
) -> subprocess.Popen[bytes]:
    namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
    with layout.log("supervisor").open("ab") as log:
        return subprocess.Popen(
            ["unshare", *namespaces, sys.executable, "-m", "stack.holder", *arguments],
            stdin=subprocess.DEVNULL if keep else subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C reaches the process that started the stack, which then ends it
            env={
                **os.environ,
                "PYTHONPATH": PYTHON_PATH,
                "PATH": search_path(),
                INDEX: str(cache_directory() / "index"),
            },
        )


def _roots(image: str) -> Path:
    """Return the engine's root. Other parts of the cache, which need the network, are made meanwhile if necessary."""
    with ThreadPoolExecutor() as pool:
        making = pool.submit(roots.engine_root)
        if templates.find(image) is None:
            run([*_IMAGES, "base"], environment={"PYTHONPATH": str(REPOSITORY)})
        root = making.result()
    try:
        hub_packages.layer(root)
    except StackError as error:
        # One test needs them, and says so.
        sys.stderr.write(f"{error}\n")
    return root


def _template(root: Path, image: str) -> Path:
    """Return an engine's data with the students' image; it is created again only when the image's content changes.

    This process downloads what the image needs, because the engine has no network access.
    """
    if found := templates.find(image):
        return found
    sys.stderr.write("making the students' image\n")
    made = _start_ground(root, template=templates.newest())
    try:
        made.ask("start", "engine")
        _make_image(made)
        made.ask("stop", "engine")
        return templates.keep(made.layout.engine_data, image)
    finally:
        made.down()


def _make_image(made: Stack) -> None:
    command = [*_IMAGES, "image", "--docker", made.docker]
    if subprocess.run(command, check=False, stdout=sys.stderr, env=made.environment()).returncode:
        raise StackError("the students' image cannot be made")


def _fill_index(made: Stack, packages: Sequence[str]) -> None:
    """Put packages into the index that containers reach; they are downloaded by this process, once."""
    directory = cache_directory() / "index"
    if packages and not directory.exists():
        sys.stderr.write(f"downloading {' '.join(packages)}\n")
        command = [*_IMAGES, "wheels", str(directory), *packages]
        run([*command, "--docker", made.docker], environment=made.environment())


@contextlib.contextmanager
def stack(*, parts: Sequence[str] = PARTS, packages: Sequence[str] = (), keep: bool = False) -> Iterator[Stack]:
    """Run a stack while the block runs; it goes down however the block ends, unless it is kept and all went well.

    Args:
        parts: those that are started.
        packages: of PyPI, for the index that students' containers reach.
        keep: let it outlive this process.

    Raises:
        StackError: this machine cannot run it, or a part did not start.
    """
    if reasons := missing():
        raise StackError("\n".join(reasons))
    image = templates.image_content()
    root = _roots(image)
    with locked("stacks"):
        for layout in Layout.all():
            if layout.stale:
                layout.remove()
        made = _start_ground(root, template=_template(root, image), keep=keep)
    try:
        # The hub's start creates the class bridge, which needs an engine.
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda part: made.ask("start", part), [part for part in parts if part != "hub"]))
        if "hub" in parts:
            made.ask("start", "hub")
        _fill_index(made, packages)
        yield made
    except BaseException:
        made.down()
        raise
    if not keep:
        made.down()


def opened(directory: Path) -> Stack:
    """Return a stack that another process started."""
    return Stack(Layout(directory), None)
