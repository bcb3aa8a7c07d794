"""Fixtures of the behaviour tests: the site, its instructor, and visitors with cookies.

`CLASSROOM_URL` names the site. `CLASSROOM_ADMIN` and `CLASSROOM_ADMIN_PASSWORD` are an instructor's. A one-time
password is possible too; it is then changed to the same with `CHANGED` at its end. `CLASSROOM_SERVER` is the command
that reaches the server; tests that need it are skipped where it is not set. `CLASSROOM_OUTSIDE` is a JSON object with
addresses outside the server that answer on port 80, by their kind.

`python -m stack ctl --help` lists the verbs of CLASSROOM_SERVER. `CLASSROOM_ROOT` is where the tests' own process sees
the root directory of the server, `/` unless set. `CLASSROOM_FIXED` is a JSON object of what tests cannot change there,
and why: `nginx.conf` (it does not follow settings.json), `daemon.json`, `prune` (units make again what was pruned), or
`programs` (the student image lacks some).
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from playwright.sync_api import sync_playwright

from behaviour import servers
from behaviour.deployment import read_settings
from behaviour.gpu_class import afternoon, room  # noqa: F401 - fixtures
from behaviour.people import Visitor, page_messages
from behaviour.reports import last_lines, merge_patch, pictures
from behaviour.terminal import terminal  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playwright.sync_api import Browser, BrowserContext

    from behaviour.servers import Kernel

CHANGED = "-changed-by-tests"
FIGURES = pytest.StashKey[list[str]]()
CONTEXTS: pytest.StashKey[list[BrowserContext]] = pytest.StashKey()


def pytest_runtest_setup(item: pytest.Item) -> None:
    fixed: dict[str, str] = json.loads(os.environ.get("CLASSROOM_FIXED", "{}"))
    for mark in item.iter_markers("needs"):
        if reason := fixed.get(mark.args[0]):
            pytest.skip(f"{mark.args[0]} cannot be changed here: {reason}")


class Server(Protocol):
    """Runs a verb on the server: `restart hub`, `logs hub`, `exec COMMAND`."""

    def __call__(self, *words: str) -> str: ...


@pytest.fixture(scope="session")
def url() -> str:
    address = os.environ.get("CLASSROOM_URL")
    if not address:
        pytest.skip(os.environ.get("CLASSROOM_SKIP") or "CLASSROOM_URL is not set")
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
    """Return a function that creates visitors; each has its own cookies and, on this machine, its own address."""
    made: list[Visitor] = []

    def make(address: str | None = None) -> Visitor:
        made.append(Visitor(url, address))
        return made[-1]

    yield make
    for visitor in made:
        visitor.web.close()


@pytest.fixture(scope="session")
def admin_credentials(url: str) -> tuple[str, str]:
    """Return an instructor's name and password, after the change of the one-time password."""
    name, password = os.environ.get("CLASSROOM_ADMIN", "teacher"), os.environ.get("CLASSROOM_ADMIN_PASSWORD", "")
    if not password:
        pytest.skip("CLASSROOM_ADMIN_PASSWORD is not set")
    first = Visitor(url)
    answer = first.sign_in(name, password)
    if answer.url.path == "/hub/change-password":
        changed = password + CHANGED
        answer = first.post(str(answer.url), {"new_password": changed, "new_password_confirmation": changed})
        assert answer.status_code == 200, page_messages(answer)
        return name, changed
    return (name, password) if first.is_signed_in else (name, password + CHANGED)


@pytest.fixture(scope="session")
def admin(url: str, admin_credentials: tuple[str, str]) -> Visitor:
    """Return the instructor, logged in."""
    visitor = Visitor(url)
    answer = visitor.sign_in(*admin_credentials)
    assert visitor.is_signed_in, page_messages(answer)
    return visitor


@pytest.fixture
def name() -> str:
    """Return an unused username."""
    return f"s-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def student(visit: Callable[..., Visitor], admin: Visitor, name: str) -> Visitor:
    """Return a student who is approved and logged in. `name` is the username."""
    visitor = visit()
    visitor.sign_up(name)
    admin.act("approve", name)
    answer = visitor.sign_in(name)
    assert visitor.is_signed_in, page_messages(answer)
    return visitor


@pytest.fixture(scope="session")
def new_student(url: str, admin: Visitor) -> Iterator[Callable[..., servers.Server]]:
    """Return a function that creates students who are approved and logged in; servers are stopped at the end."""
    made: list[servers.Server] = []

    def make(username: str = "") -> servers.Server:
        made.append(servers.enrol(url, admin, username))
        return made[-1]

    yield make
    for student in made:
        if student.is_known:
            student.stop()
        student.visitor.web.close()


@pytest.fixture(scope="module")
def mine(new_student: Callable[[], servers.Server]) -> Iterator[servers.Server]:
    """Return a student's running server, which all tests of a file share."""
    yield from _running(new_student())


@pytest.fixture(scope="module")
def other(new_student: Callable[[], servers.Server]) -> Iterator[servers.Server]:
    """Return the running server of another student, as `mine`."""
    yield from _running(new_student())


def _running(student: servers.Server) -> Iterator[servers.Server]:
    student.start()
    yield student
    student.stop()


@pytest.fixture
def kernel(mine: servers.Server) -> Iterator[Kernel]:
    """Start a kernel of `mine`."""
    with mine.kernel() as made:
        yield made
        made.end()


@pytest.fixture(scope="session")
def outside() -> dict[str, str]:
    """Return addresses outside the server by their kind: internet, metadata, private, resolver, ..."""
    text = os.environ.get("CLASSROOM_OUTSIDE")
    if not text:
        pytest.skip("CLASSROOM_OUTSIDE is not set: there is nothing outside that tests may knock at")
    addresses: dict[str, str] = json.loads(text)
    return addresses


@contextlib.contextmanager
def _reloading(server: Server) -> Iterator[Callable[[dict[str, Any]], None]]:
    def settings() -> dict[str, Any]:
        found: dict[str, Any] = read_settings(server)
        return found

    before = settings()

    def merge(patch: dict[str, Any]) -> None:
        server("reload", json.dumps(patch))

    yield merge
    if patch := merge_patch(settings(), before):
        merge(patch)


@pytest.fixture
def reload(server: Server) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Merge into settings.json and restart the hub; the end of the test restores the settings."""
    with _reloading(server) as merge:
        yield merge


@pytest.fixture(scope="module")
def module_reload(server: Server) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Merge into settings.json until the end of the file, as `reload` does."""
    with _reloading(server) as merge:
        yield merge


@pytest.fixture(scope="session")
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that records a measured figure, which is printed at the end of the run."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the figures of a process of pytest-xdist to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = session.config.stash.get(FIGURES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash.setdefault(FIGURES, []).extend(getattr(node, "workeroutput", {}).get("figures", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if figures := config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last log lines of the server's parts and of the containers concerned to the report of a failure."""
    report = yield
    if report.failed and (command := os.environ.get("CLASSROOM_SERVER")):
        students = [
            fixture.name for fixture in getattr(item, "funcargs", {}).values() if isinstance(fixture, servers.Server)
        ]
        report.sections.extend(last_lines(shlex.split(command), students))
    if report.failed and report.when == "call" and CONTEXTS in item.stash:
        opened: list[BrowserContext] = item.stash[CONTEXTS]
        report.sections.append(("pictures", pictures(item.name, opened)))
    return report


@pytest.fixture
def contexts(request: pytest.FixtureRequest) -> Iterator[list[BrowserContext]]:
    """Return the browser contexts of a test. If it fails, screenshots of their pages are saved."""
    opened: list[BrowserContext] = []
    request.node.stash[CONTEXTS] = opened
    yield opened
    for context in opened:
        context.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium: `CLASSROOM_BROWSER`, or the one on PATH."""
    program = os.environ.get("CLASSROOM_BROWSER") or shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium on PATH, and CLASSROOM_BROWSER is not set")
    with sync_playwright() as playwright:
        # Tests run as root in namespaces, where Chromium's own sandbox cannot start.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()
