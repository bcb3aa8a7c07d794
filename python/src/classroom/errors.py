"""Base of the errors that an operator reads."""

from __future__ import annotations


class ClassroomError(Exception):
    """Problem that the operator can fix.

    The message says what is wrong and what to do. The CLI prints it and exits with `exit_status`, without a traceback.
    """

    exit_status = 1
    """1: refused, or a mistake. Others are in docs/how-to/accounts.md; 2 is a usage error's."""


def printable(text: str, keep: str = "") -> str:
    r"""Return text for a terminal, a log or a message; everything that is not shown as it is becomes an escape.

    Names of files and outputs of programs are students' texts. Without escapes they could clear the operator's
    screen (`\x1b`), add lines that look like ours, change the direction of text (`\u202e`), or stop the command
    (bytes that are not UTF-8).

    Args:
        text: any text.
        keep: characters that stay although they are not printable, such as the line breaks of our own messages.
    """
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
