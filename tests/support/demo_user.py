"""`make demo` as its user has it, in a copy of the checkout."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx

from support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PROXY = ROOT / ".cache" / "node" / "bin" / "configurable-http-proxy"
TEACHERS = "orange lamps in the rain"
STUDENTS = "four plain words here"


class Demo:
    """`make demo` in a process group of its own, as a shell starts it."""

    def __init__(self, checkout: Path, port: int, **variables: str) -> None:
        given = {"DEMO_ENVIRONMENT": sys.prefix, "DEMO_PROXY": str(PROXY), "PYTHONPATH": "", **variables}
        self.process = subprocess.Popen(
            ["make", "demo", f"PORT={port}", f"PYTHON={sys.executable}"],
            cwd=checkout,
            env={**os.environ, "ENGINE": "process", "HOST": "", **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until(self, text: str, bound: float = 60) -> None:
        try:
            wait_until(lambda: text in self.said or not self._reader.is_alive(), f"the demo prints {text!r}", bound)
        finally:
            assert text in self.said, f"never said {text!r}:\n{self.said}"

    def found(self, label: str) -> str:
        match = re.search(rf"^ *{label} +(.*)$", self.said, re.MULTILINE)
        assert match, self.said
        return match[1]

    def press_ctrl_c(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        self.end()

    def end(self) -> int:
        status = self.process.wait(60)
        self._reader.join(10)
        return status

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.said += line


def copy_checkout(target: Path) -> Path:
    """What a clone holds, as far as the demo reads it."""
    left_out = shutil.ignore_patterns("__pycache__", ".*", "tests")
    for name in ("demo", "python", "images"):
        shutil.copytree(ROOT / name, target / name, ignore=left_out)
    shutil.copy(ROOT / "Makefile", target)
    return target


def still_running(checkout: Path) -> list[int]:
    """Processes that were started with, or in, the copy."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(checkout).encode() in line + os.fsencode((process / "cwd").readlink()):
                found.append(int(process.name))
    return [pid for pid in found if pid != os.getpid()]


class Person:
    """Somebody with a browser."""

    def __init__(self, address: str) -> None:
        self.web = httpx.Client(base_url=address, timeout=30, follow_redirects=True)

    def send(self, page: str, **fields: str) -> httpx.Response:
        self.web.get(page)
        token = next(
            cookie.value for cookie in self.web.cookies.jar if cookie.name == "_xsrf" and cookie.path == "/hub/"
        )
        return self.web.post(page, data={"_xsrf": token or "", **fields})

    def sign_in(self, name: str, password: str) -> httpx.Response:
        return self.send("hub/login", username=name, password=password)

    def sign_up(self, name: str) -> httpx.Response:
        return self.send("hub/signup", username=name, signup_password=STUDENTS, signup_password_confirmation=STUDENTS)

    def start_server(self, name: str) -> None:
        self.web.get("hub/spawn")

        def is_open() -> bool:
            page = self.web.get(f"user/{name}/lab")
            return page.is_success and "/hub/" not in page.url.path

        wait_until(is_open, "the server starts")


def teacher_with_a_password(demo: Demo) -> Person:
    """The instructor's first time."""
    teacher = Person(demo.found("Address"))
    assert teacher.sign_in("teacher", demo.found("Password").split()[0]).url.path == "/hub/change-password"
    teacher.send("hub/change-password", new_password=TEACHERS, new_password_confirmation=TEACHERS)
    return teacher
