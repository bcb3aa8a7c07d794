"""Client of the hub's API for the `classroom` command."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError, NoSpaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.settings.models import Settings

COMMAND_AGENT = "classroom"
HUB_AGENT = "classroom-hub"
"""Of the hub itself, which starts servers for the queue."""
_TIMEOUT = 300  # seconds: thousands of accounts, or servers that take long to stop
_CREDENTIALS = Path("/run/credentials/classroom-hub.service")
"""Where systemd keeps the credentials of the hub's unit; root may read them (systemd.exec(5))."""


class HubAwayError(ClassroomError):
    """The hub does not answer. Nothing was done, unless the message says otherwise."""

    exit_status = 3


class NoTokenError(ClassroomError):
    """The hub's token for the command cannot be read, or the hub does not accept it."""

    exit_status = 4


class RefusedError(ClassroomError):
    """The hub refused.

    Args:
        message: the hub's message.
        status: of HTTP.
        data: the hub's answer.
    """

    def __init__(self, message: str, status: int, data: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.data = data


@dataclass(frozen=True)
class HubClient:
    """A client of the hub on this machine, without Nginx and the proxy."""

    address: str
    """Of the hub's API, with a slash at the end."""
    token: str = field(repr=False)
    agent: str = COMMAND_AGENT
    """Who asks, for the audit log."""

    @classmethod
    def of(cls, settings: Settings, agent: str = COMMAND_AGENT) -> HubClient:
        """Return a client of the hub of these settings, with its token for this command.

        Raises:
            NoTokenError: the token cannot be read.
        """
        return cls(f"http://{settings.hub.listen}/hub/api/", read_token(settings.paths.state), agent)

    def get(self, path: str) -> dict[str, Any]:
        """Return the answer to a GET. Errors as for `call`."""
        return self.call("GET", path)

    def post(self, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a POST. Errors as for `call`."""
        return self.call("POST", path, data)

    def call(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return the answer.

        Args:
            method: of HTTP.
            path: under /hub/api/.
            data: the body.

        Raises:
            HubAwayError: no answer.
            NoTokenError: the hub does not know the token.
            NoSpaceError: the hub's disk is full.
            RefusedError: the hub answers with an error.
        """
        request = urllib.request.Request(  # noqa: S310 - always http, of the settings
            self.address + path,
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={
                "Authorization": f"token {self.token}",
                "Content-Type": "application/json",
                "User-Agent": self.agent,
            },
        )
        # Without proxies of the environment: the hub listens on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_TIMEOUT) as answer:
                return _parsed(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code, error.read()) from error
        except (OSError, http.client.HTTPException) as error:
            raise HubAwayError(self._away(error, method)) from error

    def _refusal(self, status: int, body: bytes) -> ClassroomError:
        data = _parsed(body)
        message = str(data.get("message") or f"The hub answers with status {status}.")
        if status in {401, 403} and ("credentials" in message or "scopes" in message):
            return NoTokenError(
                f"The hub at {self.address} does not accept this command's token ({message}). "
                "The token may be new: restart the hub (systemctl restart classroom-hub), then try again."
            )
        if status == NoSpaceError.status:
            return NoSpaceError(f"{message} Free space on the hub's disk, then try again. The hub needs no restart.")
        if status >= 500:
            message = f"The hub could not do it: {message} Its log says more (journalctl -u classroom-hub)."
        return RefusedError(message, status, data)

    def _away(self, error: Exception, method: str) -> str:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ConnectionRefusedError) or method == "GET":
            done = "Nothing was done."
        else:
            done = "The hub may have done it: check before you try again."
        why = getattr(reason, "strerror", None) or reason
        return (
            f"The hub at {self.address} does not answer ({why}). {done} Start it (systemctl start classroom-hub), "
            "or name the settings it runs with: --settings FILE."
        )


def read_token(state: Path, environment: Mapping[str, str] | None = None) -> str:
    """Return the hub's token for this command. Unlike the hub, this creates none.

    Args:
        state: the hub's state directory.
        environment: None means `os.environ`.

    Raises:
        NoTokenError: there is none, or this user may not read it.
    """
    env = os.environ if environment is None else environment
    directories = [Path(env["CREDENTIALS_DIRECTORY"])] if env.get("CREDENTIALS_DIRECTORY") else []
    for path in [
        *(directory / "cli-token" for directory in (*directories, _CREDENTIALS)),
        state / "secrets" / "cli-token",
    ]:
        try:
            return path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            continue
        except PermissionError as error:
            raise NoTokenError(
                f"{path}: only root and the hub's user may read this. Run the command with sudo, or as that user."
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise NoTokenError(
                f"{path}: cannot be read ({error}); correct it, or remove it and restart the hub"
            ) from error
    raise NoTokenError(
        f"{state / 'secrets' / 'cli-token'}: does not exist. The hub creates it at its first start: start the hub, or "
        "name its settings with --settings FILE."
    )


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
