"""The image loads for minutes on a new machine: the pages say how far it is, and the server starts by itself."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from behaviour.deployment import read_settings, student_image, working_directory
from behaviour.people import log_in
from behaviour.servers import CodeError, Server
from support.waiting import wait_until

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(300)

# Writes an image under another name of the same length, and waits in the middle for the file `go`.
STREAM = """#!/bin/sh
docker --host HOST save SOURCE | LC_ALL=C sed s/SOURCE/IMAGE/g |
    { head -c SENT; until [ -e FOLDER/go ]; do sleep 0.1; done; cat; }
"""
SOURCE, IMAGE = "classroom-present:latest", "classroom-another:latest"
# The page is up to date to one percent, and each of the two steps has fifty.
COPIED = re.compile(r"The image of the servers loads: 6[0-4](\.\d)?M of 256M copied\.")
SENT, SIZE = 64 << 20, 256 << 20  # bytes: before it waits, and as its list of contents says


class Loader:
    """`classroom images load` on the server."""

    def __init__(self, server: Verb, images: list[dict[str, str]]) -> None:
        self._server = server
        self.settings = server("settings").strip()
        self.folder = f"{working_directory(server)}/prepared"
        host = read_settings(server)["docker"]["host"]
        server("docker", "tag", student_image(server), SOURCE)
        words = {"HOST": host, "SOURCE": SOURCE, "IMAGE": IMAGE, "FOLDER": self.folder, "SENT": str(SENT)}
        stream = functools.reduce(lambda text, word: text.replace(*word), words.items(), STREAM)
        script = 'mkdir -p "$1"; cd "$1"; printf %s "$2" > stream; chmod +x stream; truncate -s "$3" content; touch log'
        self.sh(f'{script}; printf %s "$4" > conf', stream, str(SIZE - 512), json.dumps(self._conf()))
        own = {"reference": IMAGE, "stream": f"{self.folder}/stream", "conf": f"{self.folder}/conf"}
        self.sh('printf %s "$2" > "$1/images"', json.dumps([own, *images]))

    def _conf(self) -> dict[str, list[list[str]]]:
        return {"store_layers": [[f"{self.folder}/content"]]}

    def sh(self, script: str, *arguments: str) -> str:
        return self._server("exec", "sh", "-euc", script, "sh", self.folder, *arguments)

    def start(self) -> None:
        self.sh('cd "$1"; classroom images load --settings "$2" images > log 2>&1 &', self.settings)

    def finish(self) -> None:
        self.sh('touch "$1/go"')

    @property
    def log(self) -> str:
        return self.sh('cat "$1/log"')


@pytest.fixture
def late(new_student: Callable[[], Server]) -> Server:
    """Return a student of a group whose image comes after the class's."""
    return new_student()


@pytest.fixture
def loader(server: Verb, reload: Callable[[object], None], late: Server) -> Iterator[Loader]:
    """Return the loader of a class whose images are not on the machine. The group's image fails at the end.

    So the loader does not remove the images of other tests.
    """
    made = Loader(server, [{"reference": "classroom-later:latest", "stream": "/bin/false"}])
    group = {"members": [late.name], "image": "classroom-later:latest"}
    reload({"student": {"image": IMAGE}, "groups": {"later": group}})
    yield made
    made.finish()
    wait_until(lambda: "/bin/false ended with status 1" in made.log, "the loader ends", 60)
    made.sh('rm -r "$1"')
    server("docker", "rmi", SOURCE, IMAGE)


@pytest.fixture
def page(browser: Browser, contexts: list[BrowserContext], url: str) -> Page:
    contexts.append(browser.new_context(base_url=url))
    return contexts[-1].new_page()


def test_students_read_how_far_the_image_is_and_their_servers_start_by_themselves(
    loader: Loader, new_student: Callable[[], Server], late: Server, page: Page, server: Verb
) -> None:
    student = new_student()
    loader.start()
    wait_until(lambda: f"loading {IMAGE}, 256M" in loader.log, "the loader has begun", 30)
    log_in(page, student.name)
    expect(page.get_by_text("The class is being prepared.")).to_be_visible()
    # `docker save` reads the whole image before it writes the first byte.
    expect(page.get_by_text(COPIED)).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="The class is being prepared")).to_be_visible()
    expect(page.get_by_text(COPIED)).to_be_visible(timeout=30_000)
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "12")
    # A start by another way is refused with the same words.
    for waiting, text in ((student, "The image of the servers loads"), (late, "The image of your server is next")):
        with pytest.raises(CodeError, match=rf"The class is being prepared\. {text}"):
            _start_by_api(waiting)
    assert _progress(late, late.name) == {"preparing": True, "text": "The image of your server is next.", "percent": 0}
    assert late.visitor.get(f"/hub/preparing/{student.name}").status_code == 404
    doctor = server("exec", "sh", "-c", f"classroom doctor --settings {loader.settings} || true")
    assert "classroom-another:latest is being loaded." in " ".join(doctor.split())
    loader.finish()
    page.wait_for_url(f"**/user/{student.name}/lab**", timeout=120_000)
    assert f"loaded {IMAGE} after" in loader.log
    assert re.search(r"^20 %: 10\d(\.\d)?M of 256M copied, \d+ s$", loader.log, re.MULTILINE)
    student.stop()
    wait_until(lambda: "/bin/false ended with status 1" in loader.log, "the loader ends", 60)
    assert _progress(late, late.name) == {"preparing": False}


def test_unused_images_are_removed_and_those_that_the_operator_loads_stay(server: Verb) -> None:
    # Other tests' images have to stay too.
    others = server("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    for name in ("classroom-kept", "classroom-old"):
        server("docker", "tag", student_image(server), f"{name}:latest")
    images = [{"reference": name, "stream": None} for name in (*others, "classroom-kept:latest")]
    load = 'file=$(mktemp); printf %s "$2" > "$file"; classroom images load --settings "$1" "$file"; rm "$file"'
    said = server("exec", "sh", "-euc", load, "sh", server("settings").strip(), json.dumps(images))
    try:
        assert said == "removed classroom-old:latest\n"
        assert "classroom-kept" in server("docker", "image", "ls", "--format", "{{.Repository}}").split()
    finally:
        server("docker", "rmi", "classroom-kept:latest")


def _progress(student: Server, name: str) -> Any:
    answer = student.visitor.get(f"/hub/preparing/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def _start_by_api(student: Server) -> None:
    visitor = student.visitor
    headers = {"X-XSRFToken": visitor.xsrf or "", "Referer": f"{visitor.url}/hub/home"}
    answer = visitor.web.post(f"/hub/api/users/{student.name}/server", headers=headers, timeout=60)
    if answer.status_code == 202:
        student.wait_ready()
    elif answer.status_code >= 400:
        raise CodeError(answer.text)
