"""What every behaviour test starts from: the site, its instructor, and people with cookies.

`CLASSROOM_URL` names the site. `CLASSROOM_ADMIN` and `CLASSROOM_ADMIN_PASSWORD` are an instructor's; a one-time
password will do, and is then changed to the same with `CHANGED` behind it. `CLASSROOM_SERVER` is the command that
reaches the server; tests that need it are skipped where it is not set.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests import `behaviour.people`

from behaviour.people import Visitor, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

CHANGED = "-changed-by-tests"


class Server(Protocol):
    """Runs a verb on the server: `restart hub`, `logs hub`, `exec COMMAND`."""

    def __call__(self, *words: str) -> str: ...


@pytest.fixture(scope="session")
def url() -> str:
    address = os.environ.get("CLASSROOM_URL")
    if not address:
        pytest.skip("CLASSROOM_URL is not set")
    return address.rstrip("/")


@pytest.fixture(scope="session")
def server() -> Server:
    command = os.environ.get("CLASSROOM_SERVER")
    if not command:
        pytest.skip("CLASSROOM_SERVER is not set: no way to the server")

    def run(*words: str) -> str:
        done = subprocess.run([*shlex.split(command), *words], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def visit(url: str) -> Iterator[Callable[..., Visitor]]:
    """Make visitors; each has its own cookies and, on this machine, its own address."""
    made: list[Visitor] = []

    def make(address: str | None = None) -> Visitor:
        made.append(Visitor(url, address))
        return made[-1]

    yield make
    for visitor in made:
        visitor.web.close()


@pytest.fixture(scope="session")
def admin_credentials(url: str) -> tuple[str, str]:
    """An instructor's name and password, the one-time password already changed."""
    name, password = os.environ.get("CLASSROOM_ADMIN", "teacher"), os.environ.get("CLASSROOM_ADMIN_PASSWORD", "")
    if not password:
        pytest.skip("CLASSROOM_ADMIN_PASSWORD is not set")
    first = Visitor(url)
    answer = first.sign_in(name, password)
    if answer.url.path == "/hub/change-password":
        changed = password + CHANGED
        answer = first.post(str(answer.url), {"new_password": changed, "new_password_confirmation": changed})
        assert answer.status_code == 200, said(answer)
        return name, changed
    return (name, password) if first.is_signed_in else (name, password + CHANGED)


@pytest.fixture(scope="session")
def admin(url: str, admin_credentials: tuple[str, str]) -> Visitor:
    """The instructor, signed in."""
    visitor = Visitor(url)
    answer = visitor.sign_in(*admin_credentials)
    assert visitor.is_signed_in, said(answer)
    return visitor


@pytest.fixture
def name() -> str:
    """A username that nobody has."""
    return f"s-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def student(visit: Callable[..., Visitor], admin: Visitor, name: str) -> Visitor:
    """A student, approved and signed in. `name` is the username."""
    visitor = visit()
    visitor.sign_up(name)
    admin.act("approve", name)
    answer = visitor.sign_in(name)
    assert visitor.is_signed_in, said(answer)
    return visitor


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: `CLASSROOM_BROWSER`, or the one on PATH."""
    program = os.environ.get("CLASSROOM_BROWSER") or shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium on PATH, and CLASSROOM_BROWSER is not set")
    with sync_playwright() as playwright:
        # Tests run as root in namespaces, where Chromium's own sandbox cannot start.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()
