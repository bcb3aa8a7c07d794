"""The hub's secrets, which its first start creates in the state directory."""

from __future__ import annotations

import contextlib
import os
import secrets as random
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError, remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


GIVEN = ("cookie-secret", "crypt-key", "proxy-token", "cli-token", "metrics-token")
"""Names of the secrets of hub and proxy, in `secrets/` and as systemd's credentials."""
BACKUP_PASSWORD = "backup-password"  # noqa: S105 - its file's name


@dataclass(frozen=True)
class Secrets:
    """The hub's secrets. `repr` does not show the values."""

    cookie_secret: bytes = field(repr=False)
    """Signs cookies (32 bytes). A new one logs everyone out."""
    crypt_keys: tuple[str, ...] = field(repr=False)
    """Encrypt auth state in the database (hex, 32 bytes each); the first encrypts, all decrypt."""
    proxy_token: str = field(repr=False)
    """The hub's token for the proxy's API."""
    cli_token: str = field(repr=False)
    """The token of `classroom` for the hub's API."""
    metrics_token: str = field(repr=False)
    """The token of a collector for `/hub/metrics` only."""


def credential(name: str, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the file of systemd's credential of a name (systemd.exec(5), LoadCredential=); None without it.

    Args:
        name: such as `crypt-key`.
        environment: None means `os.environ`.
    """
    directory = (os.environ if environment is None else environment).get("CREDENTIALS_DIRECTORY")
    file = Path(directory) / name if directory else None
    return file if file and os.path.exists(file) else None  # noqa: PTH110 - False where nobody may look


def load_or_create(state: Path, environment: Mapping[str, str] | None = None) -> Secrets:
    """Return the secrets, and create those that do not exist yet.

    A `credential` wins over the file of the same name in `state/secrets`.
    `JUPYTERHUB_CRYPT_KEY` (keys separated by semicolons) wins over both.

    Args:
        state: the state directory; it and `secrets/` under it are made 0700, files 0600.
        environment: None means `os.environ`.

    Raises:
        ClassroomError: a secret is empty, unreadable, or readable by others.
    """
    env = os.environ if environment is None else environment
    directory = state / "secrets"

    def secret(name: str) -> str:
        return _secret(directory, name, env)

    _make_directory(directory)
    keys = env.get("JUPYTERHUB_CRYPT_KEY") or secret("crypt-key")
    return Secrets(
        cookie_secret=_hex(directory / "cookie-secret", secret("cookie-secret")),
        crypt_keys=tuple(key for key in keys.split(";") if key),
        proxy_token=secret("proxy-token"),
        cli_token=secret("cli-token"),
        metrics_token=secret("metrics-token"),
    )


def load_or_create_proxy_token(state: Path, environment: Mapping[str, str] | None = None) -> str:
    """Return the token of the proxy's API, as `load_or_create` does, and create no other secret.

    Args:
        state: the state directory.
        environment: None means `os.environ`.

    Raises:
        ClassroomError: the token is empty, unreadable, or readable by others.
    """
    directory = state / "secrets"
    _make_directory(directory)
    return _secret(directory, "proxy-token", os.environ if environment is None else environment)


def backup_password(state: Path, *, make: bool, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the file with the password of backups.

    Args:
        state: the state directory.
        make: create one if there is none.
        environment: None means `os.environ`.

    Returns:
        systemd's credential `backup-password` or `secrets/backup-password`; None where there is none.

    Raises:
        ClassroomError: it is empty, unreadable, or readable by others.
    """
    if file := credential(BACKUP_PASSWORD, environment):
        return file
    path = state / "secrets" / BACKUP_PASSWORD
    if not make and not path.exists():
        return None
    _make_directory(path.parent)
    _read_or_make(path, lambda: "-".join(random.token_hex(3) for _ in range(6)))
    return path


def _secret(directory: Path, name: str, environment: Mapping[str, str]) -> str:
    if file := credential(name, environment):
        return _read(file, private=False)
    return _read_or_make(directory / name, lambda: random.token_hex(32))


def _make_directory(directory: Path) -> None:
    try:
        # Two steps: `parents` are made with the umask's mode, and the state directory will hold a database too.
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        owner = f"give the state directory to the hub's user: chown -R classroom {directory.parent}"
        raise ClassroomError(
            f"{directory}: cannot be created or protected ({error.strerror}); {remedy(error, owner)}"
        ) from error


def _read_or_make(path: Path, make: Callable[[], str]) -> str:
    # Written under another name and linked into place: of two processes that start at once one wins, and nobody reads a
    # partial file.
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(make() + "\n")
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        except OSError as error:
            raise ClassroomError(
                f"{path}: cannot be written ({error.strerror}); {remedy(error, 'correct its owner')}"
            ) from error
        finally:
            draft.unlink(missing_ok=True)
    return _read(path, private=True)


def _read(path: Path, *, private: bool) -> str:
    try:
        if private and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ClassroomError(f"{path}: others can read this secret; run: chmod 600 {path}")
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ClassroomError(f"{path}: this secret cannot be read ({error}); correct its owner or remove it") from error
    if not value:
        raise ClassroomError(f"{path}: this secret is empty; remove the file, and the hub generates a new one")
    return value


def _hex(path: Path, value: str) -> bytes:
    try:
        decoded = bytes.fromhex(value)
    except ValueError as error:
        raise ClassroomError(
            f"{path}: must be hexadecimal; remove the file, and the hub generates a new one"
        ) from error
    if len(decoded) < 32:
        raise ClassroomError(
            f"{path}: must be at least 32 bytes (64 digits); remove the file, and the hub generates a new one"
        )
    return decoded
