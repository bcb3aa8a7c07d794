"""The few calls of the Docker Engine API that making an image takes (https://docs.docker.com/reference/api/engine/).

No `docker` program is needed, and no builder: Docker, Podman's Docker service and rootless engines answer alike.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from student_image.common import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEFAULT_HOST = "unix:///var/run/docker.sock"
_CHUNK = 1 << 20
_TIMEOUT = 900  # seconds; the engine is silent while it unpacks a large layer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=_TIMEOUT, blocksize=_CHUNK)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Ran:
    """What a container that ran to its end left: exit status and output."""

    status: int
    output: str


class Engine:
    """One Docker Engine."""

    def __init__(self, host: str | None = None) -> None:
        """Connect to nothing yet.

        Args:
            host: ``unix:///path`` or ``tcp://address:port``; DOCKER_HOST or Docker's default unless told.
        """
        self.host = host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST

    def missing(self) -> str | None:
        """Why the engine cannot be used, or None."""
        try:
            self._call("GET", "/_ping", unversioned=True)
        except ImageError as error:
            return str(error)
        return None

    def labels(self, image: str) -> dict[str, str] | None:
        """The labels of an image, None if there is no such image."""
        found = self._call("GET", f"/images/{quote(image)}/json", missing_ok=True)
        return None if found is None else dict(found["Config"].get("Labels") or {})

    def import_root(self, chunks: Iterable[bytes], tag: str, changes: Sequence[str]) -> None:
        """Make an image of one layer from an uncompressed tar archive."""
        name, _, version = tag.rpartition(":")
        query = urlencode({"fromSrc": "-", "repo": name, "tag": version, "changes": list(changes)}, doseq=True)
        self._progress(self._call("POST", f"/images/create?{query}", chunks=chunks, kind="application/x-tar"))

    def pull(self, image: str) -> None:
        """Fetch an image from its registry."""
        name = image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"
        self._progress(self._call("POST", f"/images/create?{urlencode({'fromImage': name})}"))

    def create(self, image: str, command: Sequence[str], *, network: str = "none") -> str:
        """Make a container that will run `command` as root and give its id."""
        body = {
            "Image": image,
            "Entrypoint": [],
            "Cmd": list(command),
            "User": "0:0",
            "WorkingDir": "/",
            "HostConfig": {"NetworkMode": network},
        }
        return str(self._call("POST", "/containers/create", body=body)["Id"])

    def put(self, container: str, archive: Iterable[bytes]) -> None:
        """Unpack an uncompressed tar archive at the container's root; owners are the archive's."""
        self._call("PUT", f"/containers/{container}/archive?path=/", chunks=archive, kind="application/x-tar")

    def run(self, container: str) -> Ran:
        """Start a container and wait for its end."""
        self._call("POST", f"/containers/{container}/start")
        status = self._call("POST", f"/containers/{container}/wait")["StatusCode"]
        frames = self._call("GET", f"/containers/{container}/logs?stdout=1&stderr=1", raw=True)
        return Ran(int(status), _demultiplex(frames).decode(errors="replace"))

    def commit(self, container: str, tag: str, changes: Sequence[str]) -> None:
        """Make an image of a container."""
        name, _, version = tag.rpartition(":")
        query = {"container": container, "repo": name, "tag": version, "changes": "\n".join(changes)}
        self._call("POST", f"/commit?{urlencode(query)}", body={})

    def images(self, name: str) -> list[str]:
        """The tags of all images called `name`, whatever their version."""
        query = urlencode({"filters": json.dumps({"reference": [f"{name}:*"]})})
        return [tag for found in self._call("GET", f"/images/json?{query}") for tag in found["RepoTags"] or []]

    def untag(self, image: str) -> None:
        """Remove a name of an image, and the image with its last name; one that a container uses stays."""
        with contextlib.suppress(ImageError):
            self._call("DELETE", f"/images/{quote(image)}", missing_ok=True)

    def prune(self, label: str) -> None:
        """Remove the images that have this label, no name any more and no container."""
        query = urlencode({"filters": json.dumps({"dangling": ["true"], "label": [label]})})
        self._call("POST", f"/images/prune?{query}")

    def remove(self, container: str) -> None:
        """Remove a container, running or not."""
        self._call("DELETE", f"/containers/{container}?force=1&v=1", missing_ok=True)

    def _connection(self) -> http.client.HTTPConnection:
        address = urlsplit(self.host)
        if address.scheme == "unix":
            return _UnixConnection(address.path)
        if address.scheme in {"tcp", "http"} and address.hostname:
            return http.client.HTTPConnection(address.hostname, address.port or 2375, timeout=_TIMEOUT)
        raise ImageError(f"{self.host}: write the engine's address as unix:///path or tcp://address:port")

    def _call(  # noqa: PLR0913 - one request has this many sides
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        chunks: Iterable[bytes] | None = None,
        kind: str = "application/json",
        missing_ok: bool = False,
        raw: bool = False,
        unversioned: bool = False,
    ) -> Any:  # noqa: ANN401 - the engine's JSON
        """One request; an image or container that is not there is None if `missing_ok`."""
        connection = self._connection()
        data = chunks if chunks is not None else json.dumps(body) if body is not None else None
        try:
            # 1.41 is Docker 20.10's; an engine that has dropped it serves its newest under a bare path.
            target = path if unversioned else f"/{self._version()}{path}"
            connection.request(method, target, data, {"Content-Type": kind})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ImageError(f"no Docker engine answers at {self.host} ({error})") from error
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.NOT_FOUND and missing_ok:
            return None
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise ImageError(f"the Docker engine refused {method} {path.partition('?')[0]}: {_message(content)}")
        if raw or "json" not in answer.headers.get("Content-Type", "") or not content:
            return content
        return content if path.startswith("/images/create") else json.loads(content)

    def _version(self) -> str:
        version = getattr(self, "_known_version", "")
        if not version:
            version = "v" + json.loads(self._call("GET", "/version", raw=True, unversioned=True))["ApiVersion"]
            self._known_version = version
        return version

    def _progress(self, lines: bytes) -> None:
        """Errors of a pull or import come inside its stream of JSON lines, with status 200."""
        for line in lines.splitlines():
            if line.strip() and (error := json.loads(line).get("error")):
                raise ImageError(f"the Docker engine could not get the image: {error}")


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()


def _demultiplex(frames: bytes) -> bytes:
    """Payloads of the attach protocol: 8 bytes of header, of which the last four are the length."""
    payload = b""
    while len(frames) >= 8:
        length = int.from_bytes(frames[4:8], "big")
        payload += frames[8 : 8 + length]
        frames = frames[8 + length :]
    return payload
