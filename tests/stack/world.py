"""Outside world of the containers: a second network namespace behind the stack's uplink.

It holds addresses of the internet, of a private network, of a cloud's metadata service and of a name server, with a
small HTTP server (port 80) and a name server (port 53) on each. There is no way from there to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

UPLINK = "192.0.2.2"
"""The server's own address on its uplink (TEST-NET-1, RFC 5737)."""
GATEWAY = "192.0.2.1"
ADDRESSES = {
    "internet": "203.0.113.10",  # TEST-NET-3, RFC 5737
    "internet2": "203.0.113.20",
    "metadata": "169.254.169.254",
    "private": "10.99.0.10",
    "private2": "192.168.99.10",
    "shared": "100.64.0.10",  # RFC 6598
    "resolver": "10.99.0.53",
}
"""Addresses outside, by name."""
_WIDGET = b"""window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB["classroom-widget"] = (() => {
  let scope;
  const shared = async (name) => (await Object.values(scope[name])[0].get())();
  return {
    init: (given) => { scope = given; },
    get: async () => {
      const { Widget } = await shared("@lumino/widgets");
      class View extends Widget {
        async renderModel(model) { this.node.textContent = "drawn: " + model.data["application/x-classroom"]; }
      }
      const rendererFactory = { safe: true, mimeTypes: ["application/x-classroom"], createRenderer: () => new View() };
      const plugin = { id: "classroom-widget:mime", rendererFactory, rank: 0, dataType: "string" };
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
"""
_WIDGET_DATA = "classroom_widget-1.0.data/data"
PACKAGES = {
    ("classroom-example", "1.0"): {"classroom_example.py": b'VERSION = "1.0"\n'},
    ("classroom-example", "2.0"): {"classroom_example.py": b'VERSION = "2.0"\n'},
    # A newer version of a package in the student image, and a package that prevents kernels from starting.
    ("jinja2", "99.0"): {"jinja2/__init__.py": b'__version__ = "99.0"\n'},
    ("traitlets", "5.99"): {"traitlets/__init__.py": b'raise ImportError("traitlets 5.99 is of no use")\n'},
    # A package with a script, a part in the browser and a part in the server.
    ("classroom-widget", "1.0"): {
        "classroom_widget.py": b"def main(): print('the script runs')\n"
        b"def _load_jupyter_server_extension(server): server.log.warning('classroom_widget is in the server')\n",
        "classroom_widget-1.0.dist-info/entry_points.txt": (
            b"[console_scripts]\nclassroom-widget = classroom_widget:main\n"
        ),
        f"{_WIDGET_DATA}/share/jupyter/labextensions/classroom-widget/package.json": json.dumps(
            {
                "name": "classroom-widget",
                "version": "1.0.0",
                "jupyterlab": {"_build": {"load": "static/remote.js", "mimeExtension": "./mimeExtension"}},
            }
        ).encode(),
        f"{_WIDGET_DATA}/share/jupyter/labextensions/classroom-widget/static/remote.js": _WIDGET,
        f"{_WIDGET_DATA}/share/jupyter/labextensions/classroom-widget/static/page.html": b"<script>name = 1</script>",
        f"{_WIDGET_DATA}/etc/jupyter/jupyter_server_config.d/classroom_widget.json": (
            b'{"ServerApp": {"jpserver_extensions": {"classroom_widget": true}}}'
        ),
    },
}
"""Packages of the index at http://203.0.113.10/simple/, by name and version; the others are the wheels in `INDEX`."""
INDEX = "CLASSROOM_STACK_INDEX"
"""The variable that names a directory of wheels, which may be empty when the stack starts."""


def wheel(name: str, version: str) -> tuple[str, bytes]:
    """Return name and content of a wheel of `PACKAGES` (PyPA's binary distribution format)."""
    files = dict(PACKAGES[name, version])
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: stack\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for path, data in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return f"{stem}-py3-none-any.whl", content.getvalue()


def _files(project: str) -> dict[str, bytes | Path]:
    """Return the wheels of a project by file name; case and punctuation do not matter (PEP 503)."""

    def plain(text: str) -> str:
        return re.sub(r"[-_.]+", "-", text).lower()

    found: dict[str, bytes | Path] = dict(wheel(*package) for package in PACKAGES)
    if folder := os.environ.get(INDEX):
        found |= {path.name: path for path in Path(folder).glob("*.whl")}
    return {name: content for name, content in found.items() if plain(name.partition("-")[0]) == plain(project)}


class _Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        here = self.connection.getsockname()[0]
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "simple":
            links = "".join(f'<a href="/files/{file}">{file}</a>\n' for file in sorted(_files(name)))
            self._answer(links.encode(), "text/html") if links else self.send_error(404)
        elif kind == "files":
            content = _files(name.partition("-")[0]).get(name)
            self._answer(content, "application/octet-stream") if content else self.send_error(404)
        else:
            who = next((who for who, address in ADDRESSES.items() if address == here), here)
            self._answer(json.dumps({"host": who, "client": self.client_address[0]}).encode(), "application/json")

    def _answer(self, content: bytes | Path, kind: str) -> None:
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
            shutil.copyfileobj(file, self.wfile)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the signature is http.server's
        sys.stdout.write(f"{self.client_address[0]} > {self.connection.getsockname()[0]} {format % arguments}\n")
        sys.stdout.flush()


def dns_answer(query: bytes) -> bytes:
    """Return the answer to a DNS query (RFC 1035): every name's A record is the internet host."""
    end = 12
    while end < len(query) and query[end]:
        end += query[end] + 1
    question = query[12 : end + 5]
    is_address = question[-4:] == b"\0\1\0\1"
    header = query[:2] + b"\x81\x80" + b"\0\1" + (b"\0\1" if is_address else b"\0\0") + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(ADDRESSES["internet"])
    return header + question + (record if is_address else b"")


class _DatagramNames(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, answering = self.request
        answering.sendto(dns_answer(data), self.client_address)


class _StreamNames(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        length = int.from_bytes(self.rfile.read(2), "big")
        answer = dns_answer(self.rfile.read(length))
        self.wfile.write(len(answer).to_bytes(2, "big") + answer)


class _Streams(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def servers(address: str, port: int = 80) -> list[socketserver.BaseServer]:
    """Return an HTTP server and a name server on one address."""
    return [
        http.server.ThreadingHTTPServer((address, port), _Pages),
        socketserver.ThreadingUDPServer((address, 53), _DatagramNames),
        _Streams((address, 53), _StreamNames),
    ]


def serve(found: Sequence[socketserver.BaseServer]) -> None:
    """Serve in threads that end with the process."""
    for server in found:
        threading.Thread(target=server.serve_forever, daemon=True).start()


class World:
    """The outside world, in a network namespace that waits for its interface `world`."""

    def __init__(self, log: Path, ip: Path | str = "ip") -> None:
        """Create the namespace.

        Args:
            log: file for the requests that the hosts answered.
            ip: the program of that name.
        """
        self._log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                ["unshare", "--net", sys.executable, "-m", "stack.world", ip],
                stdin=subprocess.PIPE, stdout=file, stderr=file, text=True,
            )  # fmt: skip
        self.pid = self._process.pid
        own, there = Path("/proc/self/ns/net").stat().st_ino, Path(f"/proc/{self.pid}/ns/net")
        wait_until(lambda: there.stat().st_ino != own, "the outside world has a namespace", 10)

    def serve(self) -> None:
        """Start the hosts, once there is the interface."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        wait_until(lambda: "ready" in self._log.read_text(encoding="utf-8"), "the outside world serves", 20)

    def enter(self) -> list[str]:
        """Return the beginning of a command line that runs a command of this computer outside."""
        return ["nsenter", f"--target={self.pid}", "--net", "--"]

    def end(self) -> None:
        """End the hosts."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Wait for the interface `world`, give it the addresses, serve until the stack ends."""
    sys.stdin.readline()  # the supervisor has moved the interface into this namespace
    ip = sys.argv[1:]
    commands = ["link set lo up", f"address add {GATEWAY}/24 dev world", "link set world up"]
    commands += [f"address add {address}/32 dev world" for address in ADDRESSES.values()]
    for command in commands:
        subprocess.run([*ip, *command.split()], check=True)
    for address in [GATEWAY, *ADDRESSES.values()]:
        serve(servers(address))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
