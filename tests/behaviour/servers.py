"""A student's server, by HTTP and websocket, as the browser uses it."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from behaviour.people import Visitor, page_messages
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    import httpx


class CodeError(Exception):
    """Code in a kernel raised; the message is its name and value."""


def enrol(url: str, admin: Visitor, name: str = "") -> Server:
    """Return a student who has signed up, was approved and is logged in; without a name, under a new one."""
    visitor, name = Visitor(url), name or f"s-{uuid.uuid4().hex[:10]}"
    visitor.sign_up(name)
    admin.act("approve", name)
    answer = visitor.sign_in(name)
    assert visitor.is_signed_in, page_messages(answer)
    return Server(visitor, name)


@dataclass
class Server:
    """The server of a student who is logged in as `visitor`."""

    visitor: Visitor
    name: str

    @property
    def base(self) -> str:
        return f"/user/{self.name}/"

    def start(self, bound: float = 150) -> float:
        """Press start, wait like the waiting page, open JupyterLab. Return the seconds until the server is ready."""
        begin = time.monotonic()
        answer = self.visitor.get(f"/hub/spawn/{self.name}", follow=False)
        if answer.status_code >= 400:
            raise CodeError(f"{answer.status_code}: {answer.text}")
        self.wait_ready(bound)
        took = time.monotonic() - begin
        self.open()
        return took

    def wait_ready(self, bound: float = 150) -> None:
        """Follow the progress of a start to its end.

        Raises:
            CodeError: it failed; the message is what the student reads.
        """
        path = f"/hub/api/users/{self.name}/server/progress"
        headers = {"X-XSRFToken": self.visitor.xsrf or "", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        with self.visitor.web.stream("GET", path, headers=headers, timeout=bound) as stream:
            for line in stream.iter_lines():
                event = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if event.get("ready"):
                    return
                if event.get("failed"):
                    raise CodeError(event["message"])
        raise CodeError("the progress ended without a word")

    def open(self) -> httpx.Response:
        """Open JupyterLab, which logs the browser in to the server."""
        answer = self.visitor.get(f"{self.base}lab")
        assert answer.url.path.startswith(self.base), f"{answer.status_code} {answer.url}: {answer.text[:500]}"
        return answer

    def stop(self, bound: float = 60) -> None:
        """Stop the server as the button on the home page does, and wait until it is gone."""
        answer = self.visitor.web.delete(f"/hub/api/users/{self.name}/server", headers=self._hub_headers())
        assert answer.status_code in {202, 204}, answer.text
        wait_until(lambda: not self.is_known, f"{self.name}'s server has stopped", bound)

    @property
    def is_known(self) -> bool:
        """Return whether the hub knows the server."""
        answer = self.visitor.web.get(f"/hub/api/users/{self.name}", headers=self._hub_headers())
        return bool(answer.json().get("servers"))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.visitor.web.get(self.base + path, headers=self._headers(), **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.visitor.web.put(self.base + path, headers=self._headers(), **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.visitor.web.post(self.base + path, headers=self._headers(), **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.visitor.web.delete(self.base + path, headers=self._headers(), **options)

    def write(self, path: str, text: str) -> httpx.Response:
        return self.put(f"api/contents/{path}", json={"type": "file", "format": "text", "content": text})

    def read(self, path: str) -> str:
        answer = self.get(f"api/contents/{path}", params={"content": 1, "type": "file", "format": "text"})
        assert answer.status_code == 200, answer.text
        content: str = answer.json()["content"]
        return content

    def kernel(self) -> Kernel:
        """Start a kernel and return it."""
        answer = self.post("api/kernels", json={"name": "python3"})
        assert answer.status_code == 201, f"{answer.status_code}: {answer.text}"
        return Kernel(self, answer.json()["id"])

    def _headers(self) -> dict[str, str]:
        cookies = self.visitor.web.cookies.jar
        token = next((c.value for c in cookies if c.name == "_xsrf" and c.path == self.base), "")
        return {"X-XSRFToken": token or "", "Referer": self.visitor.url + self.base}

    def _hub_headers(self) -> dict[str, str]:
        return {"X-XSRFToken": self.visitor.xsrf or "", "Referer": f"{self.visitor.url}/hub/home"}


@dataclass
class Kernel:
    """A kernel, reached by its websocket through Nginx and the proxy."""

    server: Server
    id: str
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    socket: ClientConnection = field(init=False)

    def __post_init__(self) -> None:
        self.socket = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def end(self) -> None:
        """Shut the kernel down, as the student does in the list of running kernels."""
        self.server.delete(f"api/kernels/{self.id}")

    def reconnect(self) -> None:
        """Reconnect, as the browser does after a lost connection."""
        self.socket.close()
        self.socket = self._connect()

    def run(self, code: str, bound: float = 60) -> str:
        """Run code and return its output.

        Raises:
            CodeError: the code raised.
            TimeoutError: it did not end within the bound.
        """
        return self.result(self.send(code), bound)

    def send(self, code: str) -> str:
        """Start code without waiting for it; return the identifier for `result`."""
        message = uuid.uuid4().hex
        header = {
            "msg_id": message,
            "msg_type": "execute_request",
            "session": self.session,
            "username": "",
            "version": "5.3",
            "date": "2026-01-01T00:00:00Z",
        }
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        request = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.socket.send(json.dumps(request | {"buffers": []}))
        return message

    def ask(self, expression: str, bound: float = 60) -> Any:
        """Return the value of an expression, which must fit into JSON."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))", bound))

    def result(self, message: str, bound: float = 60) -> str:
        """Wait for the code of a `send` and return its output."""
        printed, error = "", ""
        for kind, content in self.follow(message, bound):
            if kind == "stream":
                printed += content["text"]
            elif kind == "execute_result":
                printed += content["data"].get("text/plain", "")
            elif kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
        if error:
            raise CodeError(error)
        return printed

    def begun(self, message: str, bound: float = 60) -> str:
        """Wait until the code of a `send` has printed something; return that."""
        return next(str(content["text"]) for kind, content in self.follow(message, bound) if kind == "stream")

    def follow(self, message: str, bound: float = 60) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield kind and content of the kernel's messages about the code of a `send`, until it is idle.

        Raises:
            CodeError: the kernel died.
            TimeoutError: it was not done within the bound.
        """
        end = time.monotonic() + bound
        while True:
            received = json.loads(self.socket.recv(timeout=max(0.1, end - time.monotonic())))
            kind, content = received["header"]["msg_type"], received["content"]
            if kind == "status" and content.get("execution_state") in {"restarting", "dead"}:
                raise CodeError("the kernel died")
            if received["parent_header"].get("msg_id") == message:
                if kind == "status" and content["execution_state"] == "idle":
                    return
                yield kind, content

    def _connect(self) -> ClientConnection:
        site = self.server.visitor
        parts = urlsplit(site.url)
        cookies = "; ".join(
            f"{c.name}={c.value}" for c in site.web.cookies.jar if self.server.base.startswith(c.path or "/")
        )
        return connect(
            f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{self.server.base}api/kernels/{self.id}/channels"
            f"?session_id={self.session}",
            additional_headers={"Cookie": cookies},
            origin=Origin(site.url),
            max_size=None,
            open_timeout=60,
            legacy=True,
        )
