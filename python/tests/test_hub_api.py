from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from classroom.errors import ClassroomError
from classroom.hub_api import HubAwayError, HubClient, NoTokenError, RefusedError, read_token
from classroom.settings.models import Settings

Answer = tuple[int, bytes]


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], HubClient]]:
    """Run a hub that gives one answer; an empty body means path and token of the request."""
    servers = []

    def serve(status: int, body: bytes) -> HubClient:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                answer = body or json.dumps({"path": self.path, "token": self.headers["Authorization"]}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return HubClient(f"http://127.0.0.1:{server.server_port}/class/hub/api/", "secret")

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_requests_have_the_token_and_ignore_proxies_of_the_environment(
    answering: Callable[[int, bytes], HubClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    hub = answering(200, b"")
    assert hub.post("classroom/accounts", {}) == {"path": "/class/hub/api/classroom/accounts", "token": "token secret"}
    assert "secret" not in repr(hub)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (409, b'{"message": "That is taken."}', RefusedError, "^That is taken.$"),
        (403, b'{"message": "Missing or invalid credentials."}', NoTokenError, "restart the hub"),
        (403, b'{"message": "Only an instructor may."}', RefusedError, "^Only an instructor may.$"),
        (500, b'{"message": "Internal Server Error"}', RefusedError, "journalctl -u classroom-hub"),
        (502, b"<html>", RefusedError, "status 502"),
    ],
)
def test_a_refusal_has_the_hubs_message(
    answering: Callable[[int, bytes], HubClient],
    status: int,
    body: bytes,
    kind: type[ClassroomError],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        answering(status, body).post("classroom/accounts", {})


def test_each_kind_of_error_has_its_exit_status() -> None:
    assert [kind.exit_status for kind in (ClassroomError, RefusedError, HubAwayError, NoTokenError)] == [1, 1, 3, 4]


def test_a_hub_that_is_away_is_reported_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(HubAwayError, match=r"Nothing was done. Start it \(systemctl start classroom-hub\)") as raised:
        HubClient(f"http://127.0.0.1:{port}/hub/api/", "secret").post("classroom/accounts", {})
    assert raised.value.exit_status == 3


def test_the_hub_is_found_by_the_settings(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/cli-token").write_text("secret\n")
    settings = Settings.model_validate(
        {
            "paths": {"state": str(tmp_path)},
            "hub": {"listen": "127.0.0.1:9081"},
        }
    )
    assert HubClient.of(settings) == HubClient("http://127.0.0.1:9081/hub/api/", "secret")


def test_a_missing_token_is_reported_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(
        NoTokenError, match=r"cli-token: does not exist. The hub creates it at its first start"
    ) as raised:
        read_token(tmp_path)
    assert raised.value.exit_status == 4
    assert list(tmp_path.iterdir()) == []


def test_a_token_of_systemds_credentials_wins(tmp_path: Path) -> None:
    for folder, token in ((tmp_path / "secrets", "made"), (tmp_path / "given", "given")):
        folder.mkdir()
        (folder / "cli-token").write_text(token)
    assert read_token(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path / "given")}) == "given"
    assert read_token(tmp_path, {}) == "made"
