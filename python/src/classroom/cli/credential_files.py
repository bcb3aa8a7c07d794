"""Files with passwords or codes that an instructor hands out: a CSV, and a sheet to print and cut."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from classroom.cli.credential_sheet import Sheet, Slip, render
from classroom.errors import ClassroomError

WORDS = {
    "add": "new account",
    "give-password": "gets a one-time password",
    "update": "full name or group brought up to date",
    "nothing": "is there already; nothing changes",
    "waits": "somebody signed up under this name and waits: look who, then classroom users approve",
    "closed": "the account is closed: classroom users approve opens it again",
}
"""What each outcome of a line is called."""


class Handouts:
    """STEM.csv and STEM.html, made before the hub is asked: a password that cannot be written must not be made.

    Only who runs the command may read them (0600). What is there already is never overwritten.

    Raises:
        ClassroomError: they are there, or cannot be made.
    """

    def __init__(self, stem: str) -> None:
        self.paths = (Path(f"{stem}.csv"), Path(f"{stem}.html"))
        self.filled = False
        made: list[Path] = []
        try:
            for path in self.paths:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                made.append(path)
        except OSError as error:
            for each in made:
                each.unlink()
            if isinstance(error, FileExistsError):
                raise ClassroomError(
                    f"{path}: is there already, and may hold passwords. Remove it, or write elsewhere: --output STEM"
                ) from error
            raise ClassroomError(
                f"{path}: cannot be made ({error.strerror}); write elsewhere: --output STEM"
            ) from error

    def write(self, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], sheet: Sheet) -> None:
        """Fill them.

        Raises:
            ClassroomError: the disk is full, say.
        """
        self.filled = True
        try:
            # With a BOM, or Excel takes it for Latin-1.
            with self.paths[0].open("w", encoding="utf-8-sig", newline="") as file:
                writer = csv.DictWriter(file, columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows({name: _harmless(str(row.get(name) or "")) for name in columns} for row in rows)
            self.paths[1].write_text(render(sheet), encoding="utf-8")
        except OSError as error:
            raise ClassroomError(
                f"{self.paths[0]}: cannot be written ({error.strerror}), and what it was to hold cannot be read again. "
                "Make room, then give new one-time passwords: classroom users reset-password NAME..."
            ) from error

    def discard(self) -> None:
        """Take them away: there is nothing to hand out."""
        for path in self.paths:
            path.unlink(missing_ok=True)


def login_slips(title: str, address: str, accounts: Iterable[Mapping[str, Any]]) -> Sheet:
    """A slip for each account that has a one-time password."""
    note = "Sign in with this password once; then you choose your own."
    slips = [
        Slip(
            head=str(each.get("full_name") or each["name"]),
            rows=(("Address", address), ("Username", each["name"]), ("Password", each["password"])),
        )
        for each in accounts
    ]
    return Sheet(title, note, tuple(slips))


@contextlib.contextmanager
def reserved(stem: str | None) -> Iterator[Handouts | None]:
    """Files to fill within the block; gone at its end if they were not. None where no STEM is given."""
    handouts = Handouts(stem) if stem else None
    try:
        yield handouts
    finally:
        if handouts is not None and not handouts.filled:
            handouts.discard()


def _harmless(cell: str) -> str:
    # A spreadsheet runs what begins like a formula (OWASP: CSV injection); a student may choose their full name.
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
