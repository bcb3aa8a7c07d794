"""Credential files: one-time passwords or sign-up codes as a CSV file, and as a sheet to print and cut."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classroom.cli.output import build_table, print_result, print_text
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from classroom.settings.models import Site


@dataclass(frozen=True)
class CredentialCard:
    """One person's part of the sheet."""

    heading: str
    fields: tuple[tuple[str, str], ...]
    """Labels and values. The last one is the secret; a field without a value is left out."""


@dataclass(frozen=True)
class CredentialSheet:
    """The printed page."""

    title: str
    note: str
    """The foot of each card."""
    cards: tuple[CredentialCard, ...]

    def as_html(self) -> str:
        """Return the page."""
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - takes a while to import

        templates = Environment(loader=PackageLoader("classroom.cli"), autoescape=True, undefined=StrictUndefined)
        return templates.get_template("credential_sheet.html").render(vars(self)) + "\n"


class CredentialFiles:
    """STEM.csv and STEM.html, created before the hub generates a password, so that none is lost.

    Only the user who runs the command may read them (0600). Existing files are never overwritten.

    Raises:
        ClassroomError: they exist, or cannot be created.
    """

    def __init__(self, stem: str) -> None:
        self.paths = (Path(f"{stem}.csv"), Path(f"{stem}.html"))
        self.is_filled = False
        created: list[Path] = []
        try:
            for path in self.paths:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                created.append(path)
        except OSError as error:
            for empty in created:
                empty.unlink()
            if isinstance(error, FileExistsError):
                raise ClassroomError(
                    f"{path}: exists already, and may contain passwords. Remove it, or write elsewhere: --output STEM"
                ) from error
            raise ClassroomError(
                f"{path}: cannot be created ({error.strerror}); write elsewhere: --output STEM"
            ) from error

    def write(self, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], sheet: CredentialSheet) -> None:
        """Fill both files.

        Raises:
            ClassroomError: the disk is full, for example. What belongs into the files is on the terminal then: nobody
                can read these passwords and codes again.
        """
        self.is_filled = True
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: _escape_formula(str(row.get(name) or "")) for name in columns} for row in rows)
        try:
            # With a BOM, or Excel takes it for Latin-1.
            self.paths[0].write_text(text.getvalue(), encoding="utf-8-sig", newline="")
            self.paths[1].write_text(sheet.as_html(), encoding="utf-8")
        except OSError as error:
            print_text(text.getvalue().replace("\r\n", "\n"), err=True)
            raise ClassroomError(
                f"{self.paths[0]}: cannot be written ({error.strerror}). Copy its content from above: the passwords "
                "and codes work, and cannot be read again."
            ) from error

    def discard(self) -> None:
        """Remove both files."""
        for path in self.paths:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def create_credential_files(stem: str | None) -> Iterator[CredentialFiles | None]:
    """Yield files to fill, and remove them at the end of the block if they are still empty; None without a stem."""
    files = CredentialFiles(stem) if stem else None
    try:
        yield files
    finally:
        if files is not None and not files.is_filled:
            files.discard()


def deliver_passwords(
    accounts: Iterable[Mapping[str, Any]], site: Site, files: CredentialFiles | None, *, as_json: bool
) -> None:
    """Write the one-time passwords among accounts into the files, or else print them; JSON is the caller's."""
    accounts = [account for account in accounts if account["password"]]
    if files and accounts:
        cards = (
            CredentialCard(
                str(account.get("full_name") or account["name"]),
                (("Address", site.external_url), ("Username", account["name"]), ("Password", account["password"])),
            )
            for account in accounts
        )
        note = "Log in with this password once; then you choose your own."
        files.write(("name", "full_name", "password"), accounts, CredentialSheet(site.title, note, tuple(cards)))
        if not as_json:
            print_text(f"{len(accounts)} one-time passwords are in {files.paths[0]}; to print: {files.paths[1]}")
    elif accounts and not as_json:
        rows = ((account["name"], account["password"]) for account in accounts)
        print_result(build_table("Name", "One-time password", rows=rows), accounts, as_json=False)


def _escape_formula(cell: str) -> str:
    # A spreadsheet runs what begins like a formula (OWASP: CSV injection); a student may choose their full name.
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
