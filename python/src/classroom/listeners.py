"""Unix sockets of services for the hub: given by systemd, or created."""

from __future__ import annotations

import os
import pwd
import socket
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from pathlib import Path

_FIRST_FD = 3  # sd_listen_fds(3)


def user_id(user: str) -> int:
    """Return the number of a user.

    Raises:
        ClassroomError: there is no such user.
    """
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise ClassroomError(f"there is no user {user} on this machine; name the hub's user with --user") from error


def systemd_socket() -> socket.socket:
    """Return the socket of a socket unit (sd_listen_fds(3)).

    Raises:
        ClassroomError: systemd has given none.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        raise ClassroomError("systemd has given no socket; start the socket's unit, or write --listen PATH")
    return socket.socket(fileno=_FIRST_FD)


def create_socket(path: Path, owner: int) -> socket.socket:
    """Return a new listening socket that only its owner and root can reach.

    Its path appears when it listens, so a program that waits for the path can connect.

    Args:
        path: of the socket; an old one is replaced.
        owner: the user's number.

    Raises:
        ClassroomError: it cannot be created.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    hidden = path.with_name(f"{path.name}~")
    try:
        hidden.unlink(missing_ok=True)
        old = os.umask(0o177)
        try:
            listener.bind(str(hidden))
        finally:
            os.umask(old)
        os.chown(hidden, owner, -1)
        listener.listen(64)
        hidden.replace(path)
    except OSError as error:
        listener.close()
        raise ClassroomError(f"{path}: cannot be listened on ({error.strerror}); name another --listen") from error
    return listener
