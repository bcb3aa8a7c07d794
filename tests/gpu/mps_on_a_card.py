"""What CUDA's Multi-Process Service does on a machine with a GPU, as root and with PyTorch: a question each.

    pip install ./python torch && python tests/gpu/mps_on_a_card.py

Runs `classroom.gpus.mps` on a folder of its own, and clients as students' containers are: as user 1000, with mount, IPC
and process namespaces of their own. Prints the answers and writes them next to this file, under the card's name with
`-mps`; a question that could not be asked says why. Ends with 1 if a client does not attach or takes more than its
bound.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from classroom.gpus.mps import client_environment, daemon_environment
from classroom.gpus.telemetry import nvml
from classroom.settings.models import Mps

HERE = Path(__file__).parent
BOUND = 2 * 1024**3
USER = ["setpriv", "--reuid=1000", "--regid=100", "--clear-groups", "--no-new-privs"]
_SERVICE = """
import sys
from classroom.gpus.mps import run_daemon
from classroom.settings.models import Mps
run_daemon(Mps.model_validate_json(sys.argv[1]))
"""
# Allocates one gigabyte after another and computes; first it prints the driver's figures of the memory.
_CLIENT = """
import sys, time, torch
free, total = torch.cuda.mem_get_info()
print(f"total {total / 2**30:.1f} GiB", flush=True)
held = []
try:
    for _ in range(int(sys.argv[1])):
        held.append(torch.empty(2**30, dtype=torch.uint8, device="cuda"))
    print("took all", flush=True)
except torch.cuda.OutOfMemoryError:
    print(f"took {len(held)} GiB, then out of memory", flush=True)
matrix, end = torch.rand(2048, 2048, device="cuda"), time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    (matrix @ matrix).sum().item()
print("done", flush=True)
"""


class Card:
    """The service and its clients."""

    def __init__(self, folder: Path) -> None:
        self.mps = Mps(enable=True, memory=BOUND, folder=folder)
        self.attached = False
        self.bounded = False

    def client(
        self, gigabytes: int, seconds: float, *, bound: bool, shared: bool, fixed: bool = True
    ) -> subprocess.Popen[str]:
        """Run a student's program.

        Args:
            gigabytes: of memory that it allocates.
            seconds: of computation.
            bound: set the variables of a container, including the memory limit; otherwise only that of the pipes.
            shared: mount the service's /dev/shm; otherwise one of its own.
            fixed: mount the directory of the pipes read-only, as in a container.
        """
        own = client_environment(self.mps, str(self.mps.pipes), 1)
        if not bound:
            del own["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"]
        memory = f"--bind {self.mps.shared_memory}" if shared else "-t tmpfs tmpfs"
        folder = self.mps.pipes
        read_only = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && " if fixed else ""
        script = f'{read_only}mount {memory} /dev/shm && mount -t proc proc /proc && exec "$@"'
        inside = ["unshare", "--mount", "--ipc", "--pid", "--fork", "sh", "-c", script, "sh", *USER]
        program = [sys.executable, "-c", _CLIENT, str(gigabytes), str(seconds)]
        kept = {"PATH", "LD_LIBRARY_PATH", "PYTHONPATH"}
        variables = {name: value for name, value in os.environ.items() if name in kept} | {"HOME": "/tmp"} | own
        return subprocess.Popen(
            [*inside, *program], env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def output_of(self, client: subprocess.Popen[str]) -> str:
        text, _ = client.communicate(timeout=60)
        return text.strip()[-600:]

    def attaches(self) -> str:
        text = self.output_of(self.client(1, 1, bound=True, shared=True))
        log = (self.mps.folder / "log/control.log").read_text()
        self.attached = "done" in text and "NEW CLIENT" in log.upper()
        return f"{text} | log: {log[-600:]}"

    def attaches_with_shm_of_its_own(self) -> str:
        return self.output_of(self.client(1, 1, bound=True, shared=False))

    def attaches_where_it_may_change_the_pipes(self) -> str:
        return self.output_of(self.client(1, 1, bound=True, shared=True, fixed=False))

    def bound_holds_without_the_variable(self) -> str:
        text = self.output_of(self.client(4, 1, bound=False, shared=True))
        self.bounded = "out of memory" in text
        return text

    def two_at_once(self) -> dict[str, Any]:
        clients = [self.client(1, 12, bound=True, shared=True) for _ in range(2)]
        time.sleep(8)
        with nvml.driver() as driver:
            driver.read()
            time.sleep(2)
            found = [process for reading in driver.read() for process in reading.processes]
        names = {process.pid: _name(process.pid) for process in found}
        return {
            "processes": [f"{names[process.pid]}: {process.memory} bytes, use {process.use}" for process in found],
            "said": [self.output_of(client) for client in clients],
        }

    def a_student_gives_orders(self) -> str:
        done = subprocess.run(
            [*USER, "nvidia-cuda-mps-control"],
            env=os.environ | daemon_environment(self.mps), input="get_default_active_thread_percentage\nquit\n",
            text=True, capture_output=True, timeout=20, check=False,
        )  # fmt: skip
        return f"status {done.returncode}: {(done.stdout + done.stderr).strip()}"


def main() -> int:
    """Measure, print and store the results."""
    with nvml.driver() as driver:
        name = re.sub(r"\W+", "-", driver.read()[0].name).strip("-").lower()
    answers: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        card = Card(Path(folder) / "mps")
        questions: list[Callable[[], object]] = [
            card.attaches,
            card.attaches_with_shm_of_its_own,
            card.attaches_where_it_may_change_the_pipes,
            card.bound_holds_without_the_variable,
            card.two_at_once,
            card.a_student_gives_orders,
        ]
        try:
            with _running(card.mps):
                for question in questions:
                    answers[question.__name__] = _answer(question)
        except Exception as error:  # noqa: BLE001 - the answer is the result
            answers["the service"] = repr(error)
        finally:
            subprocess.run(["umount", card.mps.shared_memory], check=False, capture_output=True)
    right = card.attached and card.bounded
    text = json.dumps(answers | {"right": right}, indent=2)
    (HERE / f"{name}-mps.json").write_text(text + "\n")
    print(text)  # noqa: T201
    return 0 if right else 1


def _answer(question: Callable[[], object]) -> object:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - as above
        return f"not answered: {error!r}"


@contextlib.contextmanager
def _running(mps: Mps) -> Iterator[None]:
    service = subprocess.Popen(
        [sys.executable, "-c", _SERVICE, mps.model_dump_json()], text=True, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 30
    while not (mps.pipes.is_dir() and mps.pipes.stat().st_mode & 0o1000):
        if service.poll() is not None or time.monotonic() > end:
            service.kill()
            raise RuntimeError(f"it does not start: {service.communicate()[1][-800:]}")
        time.sleep(0.2)
    try:
        yield
    finally:
        service.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.wait(30)
        service.kill()


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "?"


if __name__ == "__main__":
    sys.exit(main())
