"""Vault: a mount namespace in which a program reads homes and cannot be led out of them.

Students change their homes while root reads them. restic opens files by path, and the kernel follows a folder that a
student exchanged for a link to another home: that student's snapshot would then contain the other student's files. In
the vault each home is a mount with these flags:

- `nosymfollow`: the kernel follows no link that lies in the home, at any place of a path. readlink(2) still works, so
  links are stored as links. No check precedes the use, so there is no race to win. A directory cannot be moved out of
  a mount.
- `ro`, `nodev`, `nosuid`, `noexec`: the program changes nothing there, and opens no device.

Paths stay as they are: snapshots keep their names, restic finds the parent of each file, and one run stores all homes.
What is mounted below a home is not part of it. After mounting, the vault gives up CAP_SYS_ADMIN, so the program
cannot undo the mounts.

Only root can build a vault, and only root can read the homes of others: without root's rights the program runs
without one. It runs as a program of its own, because a namespace belongs to a process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_CLONE_NEWNS = 0x00020000  # unshare(2)
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8  # mount(2)
_MS_REMOUNT, _MS_NOSYMFOLLOW, _MS_BIND, _MS_REC, _MS_SLAVE = 32, 256, 4096, 16384, 1 << 19
_FLAGS = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOSYMFOLLOW
_ST_NOSYMFOLLOW = 0x2000  # statfs(2)
_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
_CAPABILITY_VERSION, _CAP_SYS_ADMIN = 0x20080522, 1 << 21  # capget(2), capabilities(7)

REFUSED = 70
"""Exit status if the vault cannot be built. The reason is on standard error."""

_libc = ctypes.CDLL(None, use_errno=True)


def confine(command: Sequence[str], homes: Iterable[Path]) -> list[str]:
    """Return the command that runs a command in a vault around these homes.

    The vault ends with `REFUSED` if it cannot be built. Without root's rights, or without homes, the command itself
    is returned.
    """
    paths = [str(home) for home in homes]
    if os.geteuid() != 0 or not paths:
        return list(command)
    return [sys.executable, "-I", "-m", __name__, str(len(paths)), *paths, *command]


def build(homes: Iterable[str]) -> None:
    """Move this process into a new mount namespace in which these homes are closed mounts.

    A home that does not exist is left out.

    Raises:
        OSError: this process has no right to mount.
        NotImplementedError: the kernel does not know `nosymfollow`.
    """
    _check(_libc.unshare(_CLONE_NEWNS))
    # A slave: mounts here stay here, and what the machine unmounts is not held by this process.
    _mount(None, "/", _MS_REC | _MS_SLAVE)
    for home in homes:
        try:
            _mount(home, home, _MS_BIND)
        except FileNotFoundError:
            continue
        # Flags that are set on the file system itself are locked in a container with its own users.
        _mount(None, home, _MS_REMOUNT | _MS_BIND | _FLAGS)
        if not os.statvfs(home).f_flag & _ST_NOSYMFOLLOW:
            raise NotImplementedError
    _give_up_mounting()


def main(words: Sequence[str]) -> None:
    """Build a vault and become the command: the number of homes, the homes, the command with its arguments."""
    count = int(words[0])
    homes, command = words[1 : count + 1], words[count + 1 :]
    try:
        build(homes)
    except NotImplementedError:
        _refuse("the kernel is older than Linux 5.10 and cannot close homes to links; update it, or use --archive")
    except OSError as error:
        _refuse(
            f"homes cannot be mounted separately ({error.strerror}); run this as root with CAP_SYS_ADMIN (in a "
            "container also without the AppArmor profile docker-default), or use --archive"
        )
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - no shell
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started ({error.strerror})")


def _refuse(reason: str) -> None:
    sys.stderr.write(f"No file was read: {reason}\n")
    sys.exit(REFUSED)


def _mount(source: str | None, target: str, flags: int) -> None:
    place = None if source is None else os.fsencode(source)
    _check(_libc.mount(place, os.fsencode(target), None, ctypes.c_ulong(flags), None))


def _give_up_mounting() -> None:
    """Give up CAP_SYS_ADMIN, also after execve(2): root gains nothing there without new privileges."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header, data = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    _check(_libc.capget(header, data))
    for index in range(3):  # effective, permitted, inheritable
        data[index] &= ~_CAP_SYS_ADMIN
    _check(_libc.capset(header, data))


def _check(status: int) -> None:
    if status == 0:
        return
    number = ctypes.get_errno() or errno.EPERM
    raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(sys.argv[1:])
