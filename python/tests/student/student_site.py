"""A hub and its servers, for the tests of a student's server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from websockets.sync.client import connect

from support.http import answers
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUND = 60.0  # seconds that anything may take


@dataclass
class Kernel:
    """A kernel, with a websocket like that of a browser."""

    server: Server
    id: str
    session: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def model(self) -> dict[str, Any]:
        return self.server.get(f"api/kernels/{self.id}").json()

    @contextlib.contextmanager
    def channels(self) -> Iterator[Channels]:
        url = f"{self.server.url.replace('http', 'ws', 1)}api/kernels/{self.id}/channels?session_id={self.session}"
        with connect(url, additional_headers=self.server.headers, max_size=None) as socket_:
            yield Channels(socket_)

    def run(self, code: str) -> str:
        with self.channels() as channels:
            return channels.result(channels.send("execute_request", execute(code)))


def execute(code: str) -> dict[str, Any]:
    return {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}


@dataclass
class Channels:
    socket: Any

    def send(self, kind: str, content: dict[str, Any], channel: str = "shell", **header: str) -> str:
        request = secrets.token_hex(8)
        header = {"msg_id": request, "msg_type": kind, "username": "", "session": "s", "version": "5.3", **header}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
        self.socket.send(json.dumps(message))
        return request

    def messages(self, request: str) -> Iterator[dict[str, Any]]:
        while True:
            message = json.loads(self.socket.recv(timeout=BOUND))
            if message["parent_header"].get("msg_id") == request:
                yield message

    def reply(self, request: str) -> dict[str, Any]:
        return next(message for message in self.messages(request) if message["msg_type"].endswith("_reply"))

    def result(self, request: str) -> str:
        """Return the output of a cell, or its error."""
        text = ""
        for message in self.messages(request):
            content = message["content"]
            text += content.get("text", "") if message["msg_type"] == "stream" else ""
            text += "\n".join(content["traceback"]) if message["msg_type"] == "error" else ""
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return text
        raise AssertionError("unreachable")


@dataclass
class Server:
    """A student's server, used with a token that may use every server."""

    hub: Hub
    user: str
    url: str

    @property
    def headers(self) -> dict[str, str]:
        return self.hub.headers

    @property
    def home(self) -> Path:
        return self.hub.homes / self.user

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, headers=self.headers, timeout=BOUND, **kwargs)

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path).raise_for_status()

    def save(self, path: str, text: str) -> httpx.Response:
        return self.request("PUT", f"api/contents/{path}", json={"type": "file", "format": "text", "content": text})

    def start_kernel(self, name: str = "python3") -> Kernel:
        answer = self.request("POST", "api/kernels", json={"name": name}).raise_for_status()
        return Kernel(self, answer.json()["id"])

    @contextlib.contextmanager
    def kernel(self) -> Iterator[Kernel]:
        kernel = self.start_kernel()
        try:
            yield kernel
        finally:
            self.request("DELETE", f"api/kernels/{kernel.id}")

    @property
    def last_activity(self) -> datetime:
        """Return the student's last activity, as the hub knows it."""
        moment = datetime.fromisoformat(self.hub.get(f"users/{self.user}").json()["servers"][""]["last_activity"])
        assert moment.tzinfo
        return moment

    @property
    def runtime(self) -> Path:
        return self.hub.state / f"{self.user}.tmp" / "r"

    @property
    def pid(self) -> int:
        names = [path.name for path in self.runtime.glob("jpserver-*.json")]
        return max(int(re.findall(r"\d+", name)[0]) for name in names)

    def stop(self) -> None:
        self.hub.request("DELETE", f"users/{self.user}/server")
        wait_until(lambda: self.hub.get(f"users/{self.user}").json()["server"] is None, "the server stops")


@dataclass
class Hub:
    state: Path
    url: str
    token: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}

    @property
    def homes(self) -> Path:
        return self.state / "homes"

    @property
    def log(self) -> str:
        return (self.state / "hub.log").read_text()

    def start(self) -> None:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "STATE": str(self.state),
            "HUB_URL": self.url,
            "TOKEN": self.token,
            "KERNEL_IDLE": "4",
        }
        with (self.state / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(Path(__file__).parent / "hub_config.py")],
                cwd=self.state, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(self.answers, "the hub answers")

    def answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log
        return answers(f"{self.url}/hub/api/")

    def kill(self) -> None:
        """Stop the hub as a crash does: its servers live on."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url}/hub/api/{path}", headers=self.headers, timeout=90, **kwargs)

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path).raise_for_status()

    def spawn(self, user: str) -> Server:
        (self.homes / user).mkdir(parents=True, exist_ok=True)
        self.request("POST", f"users/{user}")
        answer = self.request("POST", f"users/{user}/server")
        assert answer.is_success, f"{answer.text}\n{self.log}"
        ready = wait_until(lambda: self.get(f"users/{user}").json()["server"], f"the server of {user} starts")
        assert ready == f"/user/{user}/"
        routes = json.loads((self.state / "routes.json").read_text())
        return Server(self, user, routes[f"/user/{user}/"]["target"].rstrip("/") + f"/user/{user}/")
