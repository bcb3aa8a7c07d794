from __future__ import annotations

import pytest

from classroom import process
from classroom.errors import ClassroomError


def test_output_that_is_not_utf_8_is_no_error() -> None:
    done = process.run(["printf", r"a\377b"])
    assert done.stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_the_program_reads_its_input_and_has_the_c_locale() -> None:
    done = process.run(["sh", "-c", "cat; echo $LC_ALL $OWN"], stdin="ü\n", environment={"OWN": "x", "LC_ALL": "de_DE"})
    assert done.stdout == "ü\nC x\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["sh", "-c", "echo first >&2; echo last >&2; exit 3"], "sh failed: last"),
        (["sh", "-c", "echo only; exit 3"], "sh failed: only"),
        (["sh", "-c", "kill -9 $$"], "sh failed: status -9"),
        (["sleep", "60"], "sleep did not end within 0.1 seconds"),
        (["/nowhere/program"], r"program cannot be started \(No such file or directory\); install it"),
    ],
)
def test_a_failure_names_the_program_and_the_reason(command: list[str], message: str) -> None:
    with pytest.raises(ClassroomError, match=f"^{message}$"):
        process.run(command, timeout=0.1 if command[0] == "sleep" else 60)


def test_a_status_can_be_left_to_the_caller() -> None:
    assert process.run(["sh", "-c", "exit 3"], check=False).returncode == 3
