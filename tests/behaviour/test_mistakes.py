"""Mistakes of an operator: the student and the log get the reason, and no file is lost."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from behaviour import containers
from behaviour.deployment import student_image
from behaviour.servers import CodeError, Server

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(180)


def refused(mine: Server) -> str:
    """Press the start button and return the message that the student gets."""
    with pytest.raises(CodeError) as failed:
        mine.start()
    page = mine.visitor.get(f"/hub/spawn-pending/{mine.name}").text
    for text in (str(failed.value), page):
        assert "Your files are safe" in text
        assert "Traceback" not in text
    assert not mine.is_known
    return html.unescape(str(failed.value))


@pytest.fixture
def image(server: Verb, mine: Server) -> Iterator[Callable[[str], str]]:
    """Build an image that differs from the students' image by its program."""
    tag = "classroom-tests-broken:latest"

    def make(program: str) -> str:
        server("docker", "commit", f"--change=CMD {program}", containers.identifier(server, mine.name), tag)
        return tag

    yield make
    server("docker", "rmi", "--force", tag)


def test_a_student_is_told_that_the_image_is_missing(
    reload: Callable[[dict[str, Any]], None], new_student: Callable[[], Server], server: Verb
) -> None:
    mine, image = new_student(), student_image(server)
    mine.start()
    mine.write("letter.txt", "kept")
    mine.stop()
    reload({"student": {"image": "no-such-image:latest"}})
    for _ in range(2):
        assert "The image no-such-image:latest is not on this machine." in refused(mine)
    reload({"student": {"image": image}})
    mine.start()
    assert mine.read("letter.txt") == "kept"
    mine.stop()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        pytest.param('["false"]', "The server stopped at once.", id="ends_at_once"),
        pytest.param('["/no/such/program"]', "The server stopped at once.", id="is_not_there"),
        pytest.param('["sleep", "1000"]', "The server did not answer in time.", id="never_answers"),
    ],
)
def test_a_student_is_told_of_a_server_that(
    program: str,
    message: str,
    image: Callable[[str], str],
    reload: Callable[[dict[str, Any]], None],
    *,
    new_student: Callable[[], Server],
    server: Verb,
) -> None:
    mine = new_student()
    reload({"student": {"image": image(program), "startTimeout": "12s"}})
    assert message in refused(mine)
    left = server("docker", "ps", "--all", "--quiet", "--filter", f"label=org.classroom.user={mine.name}")
    assert left == "", "a container was left behind"
