"""Execution of a student's code in the student's server, with its output through all parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from websockets.exceptions import InvalidStatus

from behaviour.people import Visitor
from behaviour.servers import CodeError, Kernel, Server


def test_a_cell_runs_and_its_output_comes_back(kernel: Kernel) -> None:
    assert kernel.run("print('six times seven'); 6 * 7") == "six times seven\n42"


def test_a_cell_that_fails_shows_its_error(kernel: Kernel) -> None:
    with pytest.raises(CodeError, match="ZeroDivisionError: division by zero"):
        kernel.run("1 / 0")
    assert kernel.run("1 + 1") == "2"


def test_a_kernel_remembers_between_cells_and_connections(kernel: Kernel) -> None:
    kernel.run("x = 41")
    kernel.reconnect()
    assert kernel.run("x + 1") == "42"


def test_a_shell_command_runs(kernel: Kernel) -> None:
    assert kernel.run("!id -u; id -g; pwd").split() == ["1000", "100", "/home/jovyan"]


def test_a_cell_that_prints_two_megabytes_shows_all_of_it(kernel: Kernel) -> None:
    assert len(kernel.run("for _ in range(2000):\n    print('x' * 999)")) == 2_000_000


def test_a_cell_with_endless_output_is_throttled_and_can_be_interrupted(mine: Server, kernel: Kernel) -> None:
    cell = kernel.send("while True: print('x' * 10_000)")
    kernel.begun(cell)
    assert mine.post(f"api/kernels/{kernel.id}/interrupt").status_code == 204
    with pytest.raises(CodeError, match="KeyboardInterrupt"):
        kernel.result(cell, bound=30)
    assert kernel.run("1 + 1") == "2"


def test_an_endless_cell_can_be_interrupted(mine: Server, kernel: Kernel) -> None:
    cell = kernel.send("print('begun', flush=True)\nwhile True: pass")
    assert kernel.begun(cell) == "begun\n"
    assert mine.post(f"api/kernels/{kernel.id}/interrupt").status_code == 204
    with pytest.raises(CodeError, match="KeyboardInterrupt"):
        kernel.result(cell, bound=20)


@pytest.mark.parametrize("path", ["lab", "api/contents", "api/kernels", "files/Welcome.ipynb"])
def test_another_student_cannot_read_from_a_students_server(path: str, mine: Server, student: Visitor) -> None:
    assert mine.get(path).status_code == 200
    assert student.get(f"{mine.base}{path}").status_code == 403


def test_a_students_server_requires_a_login(mine: Server, visit: Callable[..., Visitor]) -> None:
    assert visit().get(f"{mine.base}api/contents").status_code == 403


@pytest.mark.attack(24)
def test_another_student_cannot_run_code_in_a_students_kernel(mine: Server, kernel: Kernel, student: Visitor) -> None:
    student.get(f"{mine.base}lab")
    with pytest.raises(InvalidStatus) as refused:
        Kernel(Server(student, mine.name), kernel.id)
    assert refused.value.response.status_code == 403


def test_the_kernel_runs_the_python_of_the_image(kernel: Kernel) -> None:
    assert kernel.ask("__import__('sys').executable") == "/opt/classroom/bin/python"


def test_a_message_of_the_size_of_an_upload_reaches_the_kernel(kernel: Kernel) -> None:
    """A widget for uploads sends a file as one message."""
    assert kernel.run(f"print(len('{'x' * 50_000_000}'))", 120) == "50000000\n"
