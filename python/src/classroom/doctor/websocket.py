"""A websocket of our own making, to see whether one comes through whatever is in between (RFC 6455)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import socket
import threading
from typing import TYPE_CHECKING

from classroom.doctor.checks import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classroom.doctor.http import Place

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TIMEOUT = 4  # seconds
_HEAD = 64 * 1024  # bytes
_TEXT = b"\x81"  # a whole text message in one frame


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """A server on loopback that upgrades one connection and sends its first message back; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_TIMEOUT)
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def try_out(place: Place, path: str) -> str | None:
    """Ask for a websocket and send a message; gives what went wrong, or None when the message came back."""
    key, word = base64.b64encode(os.urandom(16)), base64.b64encode(os.urandom(12))
    head = {
        "Host": place.host,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
        **place.headers,
    }
    text = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in head.items()) + "\r\n"
    try:
        with place.connect() as connection:
            connection.sendall(text.encode())
            answer, rest = _read_head(connection)
            status = answer.split(b" ", 2)[1:2]
            if status != [b"101"] or _accept(key) not in answer:
                return f"A websocket is answered with status {b''.join(status).decode(errors='replace') or 'none'}"
            connection.sendall(_frame(word, masked=True))
            expected = _frame(word)
            while len(rest) < len(expected) and (chunk := connection.recv(4096)):
                rest += chunk
    except OSError as error:
        return f"A websocket is cut off ({reason(error)})"
    return None if rest.startswith(expected) else "A websocket loses what is sent"


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(_TIMEOUT)
            head, rest = _read_head(connection)
            key = re.search(rb"(?im)^sec-websocket-key: *(\S+)", head)
            if key is None or not re.search(rb"(?im)^upgrade: *websocket", head):
                connection.sendall(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Accept: " + _accept(key[1]) + b"\r\n\r\n"
            )
            while len(rest) < 6 or len(rest) < 6 + (rest[1] & 0x7F):
                chunk = connection.recv(4096)
                if not chunk:
                    return
                rest += chunk
            mask, data = rest[2:6], rest[6:]
            connection.sendall(_frame(bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))))
            connection.recv(1)  # until the other side has read it and closes


def _frame(data: bytes, *, masked: bool = False) -> bytes:
    """A text message of less than 126 bytes."""
    if not masked:
        return _TEXT + bytes([len(data)]) + data
    mask = os.urandom(4)
    return _TEXT + bytes([0x80 | len(data)]) + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(4096)
        if not chunk or len(data) > _HEAD:
            raise ConnectionError("closed without an answer")
        data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _accept(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest())
