"""A stack as the machine sees it: made, waited for, entered, removed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stack import deployment, roots
from stack.common import REPOSITORY, StackError, run, search_path, wait_until
from stack.control import ask
from stack.layout import Layout
from stack.requirements import missing
from stack.supervisor import PARTS
from stack.world import ADDRESSES, UPLINK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_START = 120  # seconds; a loaded machine with two cores needs twenty
_STOP = 60
_IMAGES = REPOSITORY / "images/debian"


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
        """How a command is started beside the parts: in their network, mounts and processes."""
        pid = (self.layout.directory / "pid").read_text(encoding="ascii")
        return ["nsenter", f"--target={pid}", "--net", "--mount", "--pid", "--"]

    def environment(self) -> dict[str, str]:
        """What a command beside the parts is told."""
        found = list((self.layout.state / "secrets").glob(f"first-password-{deployment.ADMIN}"))
        return {
            **os.environ,
            "CLASSROOM_URL": f"http://127.0.0.1:{deployment.PORT}",
            "CLASSROOM_SERVER": f"{sys.executable} -m stack ctl {self.layout.directory}",
            "CLASSROOM_ADMIN": deployment.ADMIN,
            "CLASSROOM_ADMIN_PASSWORD": found[0].read_text(encoding="utf-8").strip() if found else "",
            "CLASSROOM_OUTSIDE": json.dumps({**ADDRESSES, "uplink": UPLINK}),
            "PYTHONPATH": f"{REPOSITORY}/tests:{REPOSITORY}/python/src",
        }

    def down(self) -> None:
        """End it and remove all that it made.

        Nothing is worth an orderly end: data and settings go, and process 1 ends only when all others have.
        """
        if self.process is not None:
            self.process.kill()  # its child is process 1 and dies with it, by --kill-child
            self.process.wait()
        pid_file = self.layout.directory / "pid"
        if pid_file.exists():
            pid = int(pid_file.read_text(encoding="ascii"))
            if _is_holder(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not _is_holder(pid), "the stack's processes end", _STOP)
        self.layout.remove()


def _start_ground(root: Path, *, data: Path | None = None, keep: bool = False) -> Stack:
    """Namespaces, the outside world and the engine's root; no part runs yet.

    Args:
        root: the engine's root file system.
        data: an engine's data to begin with.
        keep: let the stack outlive this process.
    """
    layout = Layout.new()
    process = None
    try:
        deployment.write(layout, roots.proxy_command())
        if data is not None and data.exists():
            roots.copy_engine_data(data, layout.engine_data)
        with layout.log("supervisor").open("ab") as log:
            process = subprocess.Popen(
                [
                    "unshare",
                    "--net",
                    "--mount",
                    "--pid",
                    "--fork",
                    "--kill-child=SIGKILL",
                    "--mount-proc",
                    sys.executable,
                    "-m",
                    "stack.holder",
                    str(layout.directory),
                    str(root),
                    *(["--keep"] if keep else []),
                ],
                stdin=subprocess.DEVNULL if keep else subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY / "tests"), "PATH": search_path()},
            )
        ready = layout.run / "ready"
        started = process
        wait_until(lambda: ready.exists() or started.poll() is not None, "the stack's namespaces are made", _START)
        if not ready.exists():
            raise StackError(layout.log("supervisor").read_text(errors="replace"))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
        (layout.directory / "pid").write_text(children.split()[0], encoding="ascii")
    except BaseException:
        Stack(layout, process).down()
        raise
    return Stack(layout, process)


def _prepare_image(root: Path) -> Path:
    """An engine's data with the students' image in it; made only when what is in the image has changed.

    What the image needs of the network is fetched by this process: the engine has no way out. The caller holds the
    template's lock.
    """
    template = roots.engine_template()
    mark = template.with_suffix(".key")
    wanted = run([sys.executable, _IMAGES, "key"]).strip()
    if template.exists() and mark.exists() and mark.read_text(encoding="ascii") == wanted:
        return template
    sys.stderr.write("making the students' image\n")
    made = _start_ground(root, data=template)
    try:
        made.ask("start", "engine")
        _make_image(made)
        made.ask("stop", "engine")
        mark.unlink(missing_ok=True)
        if template.exists():
            shutil.rmtree(template)
        made.layout.engine_data.rename(template)
        mark.write_text(wanted, encoding="ascii")
    finally:
        made.down()
    return template


def _make_image(made: Stack) -> None:
    command = [sys.executable, str(_IMAGES), "image", "--host", f"unix://{made.layout.docker_socket}"]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise StackError("the students' image cannot be made")


@contextlib.contextmanager
def stack(*, parts: Sequence[str] = PARTS, keep: bool = False) -> Iterator[Stack]:
    """A running stack; down when the block ends, however it ends, unless it is kept and all went well.

    Args:
        parts: those that are started.
        keep: let it outlive this process.

    Raises:
        StackError: this machine cannot run it, or a part did not start.
    """
    if reasons := missing():
        raise StackError("\n".join(reasons))
    root = roots.engine_root()
    with roots.locked(roots.engine_template().name):
        made = _start_ground(root, data=_prepare_image(root), keep=keep)
    try:
        for part in parts:
            made.ask("start", part)
        yield made
    except BaseException:
        made.down()
        raise
    if not keep:
        made.down()


def opened(directory: Path) -> Stack:
    """A stack that another process started."""
    return Stack(Layout(directory), None)


def _is_holder(pid: int) -> bool:
    try:
        return b"stack.holder" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
