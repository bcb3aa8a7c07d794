"""Gate in front of students' servers: no page of a student reaches the browser of anybody else."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from behaviour.hostile import HostileServer
from behaviour.people import PASSWORD, Visitor, api, log_in
from behaviour.servers import Server
from support.waiting import wait_until

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(240)

ELSE = "This server belongs to somebody else"


@pytest.fixture(scope="module")
def mallory(new_student: Callable[[], Server]) -> Iterator[Server]:
    made = new_student()
    made.start()
    yield made
    made.visitor.sign_in(made.name)
    made.stop()


@pytest.fixture
def hostile(server: Verb, mallory: Server) -> Iterator[HostileServer]:
    with HostileServer(server, mallory) as made:
        yield made


@pytest.fixture
def window(browser: Browser, url: str, contexts: list[BrowserContext]) -> Callable[[], Page]:
    def open_() -> Page:
        contexts.append(browser.new_context(base_url=url))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        return page

    return open_


def look(visitor: Visitor, path: str) -> httpx.Response:
    """Open a page as a browser does."""
    return visitor.web.get(path, headers={"Accept": "text/html,*/*;q=0.8"}, follow_redirects=True)


def enter(page: Page, name: str, password: str = PASSWORD, next_url: str = "/hub/home") -> None:
    log_in(page, name, password, next_url)
    page.wait_for_url(lambda address: "/hub/login" not in address)


@pytest.mark.attack(1, 25, 45, 85)
def test_an_instructor_who_follows_a_link_of_a_student_gets_a_page_of_the_hub(
    window: Callable[[], Page], hostile: HostileServer, mallory: Server, admin_credentials: tuple[str, str]
) -> None:
    page = window()
    enter(page, *admin_credentials)
    hostile.attack(admin_credentials[0])
    page.goto(f"{mallory.base}files/evil.html")
    expect(page.get_by_role("heading", name=ELSE)).to_be_visible()
    expect(page.get_by_text("site.origins")).to_be_visible()
    page.goto(f"/hub/login?next={mallory.base}evil.html")
    expect(page.get_by_role("heading", name=ELSE)).to_be_visible()
    assert hostile.requests == []


@pytest.mark.attack(1, 24)
def test_another_student_gets_nothing_of_a_server(
    visit: Callable[..., Visitor], student: Visitor, hostile: HostileServer, mallory: Server
) -> None:
    for visitor, status in ((student, 403), (visit(), 200)):  # nobody: the login page
        answer = look(visitor, f"{mallory.base}lab")
        assert answer.status_code == status
        assert (ELSE in answer.text) == (status == 403)
        headers = {"Sec-Fetch-Mode": "cors"}
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert visitor.web.request(method, f"{mallory.base}api/contents/x", headers=headers).status_code == 403
    assert hostile.requests == []


@pytest.mark.attack(25, 28)
def test_a_shared_browser_does_not_open_the_page_of_the_person_before(
    window: Callable[[], Page], hostile: HostileServer, mallory: Server, new_student: Callable[[], Server]
) -> None:
    """The first person leaves a service worker, cookies and a stored page, then the next one logs in."""
    bob = new_student()
    hostile.attack(bob.name)
    page = window()
    enter(page, mallory.name)
    page.goto(f"{mallory.base}evil.html")
    expect(page).to_have_title("Done")
    assert hostile.reports[0]["worker"] == "refused"
    before = len(hostile.requests)
    page.goto("/hub/logout")  # an open page of the first person would still act as the next one
    enter(page, bob.name)
    for place in ("evil.html", "worker.js", "other.html"):
        page.goto(f"{mallory.base}{place}")
        expect(page.get_by_role("heading", name=ELSE)).to_be_visible()
    page.goto("/hub/home")
    assert "Owned" not in page.content()
    assert len(hostile.requests) == before


@pytest.mark.attack(55)
def test_after_a_sign_out_the_browser_opens_nothing(
    visit: Callable[..., Visitor], hostile: HostileServer, mallory: Server
) -> None:
    visitor = visit()
    visitor.sign_in(mallory.name)
    assert look(visitor, f"{mallory.base}x").status_code == 200
    copy = visit()
    for cookie in visitor.web.cookies.jar:
        copy.web.cookies.jar.set_cookie(cookie)
    visitor.get("/hub/logout")
    before = len(hostile.requests)
    assert "login" in str(look(visitor, f"{mallory.base}after").url)
    wait_until(lambda: "login" in str(look(copy, f"{mallory.base}copy").url), "the copy's pass has ended", 10)
    assert not [path for _, path, _ in hostile.requests[before:] if path.endswith("after")]


def test_the_server_does_not_see_the_pass(
    visit: Callable[..., Visitor], hostile: HostileServer, mallory: Server
) -> None:
    visitor = visit()
    visitor.sign_in(mallory.name)
    visitor.get(f"{mallory.base}x")
    method, path, cookies = hostile.requests[-1]
    assert (method, path) == ("GET", f"{mallory.base}x")
    assert "classroom-gate" not in cookies


@pytest.mark.attack(24)
def test_a_program_with_a_token_of_its_user_reaches_only_their_server(
    hostile: HostileServer, mallory: Server, student: Visitor, name: str, url: str
) -> None:
    mallory.visitor.sign_in(mallory.name)  # the tests before have ended the session

    def token(visitor: Visitor, user: str) -> str:
        return str(api(visitor, "POST", f"users/{user}/tokens", {}).json()["token"])

    for secret, status in ((token(mallory.visitor, mallory.name), 200), (token(student, name), 403), ("0" * 32, 403)):
        answer = httpx.get(f"{url}{mallory.base}api/contents", headers={"Authorization": f"token {secret}"})
        assert answer.status_code == status
    assert len([path for _, path, _ in hostile.requests if path.endswith("api/contents")]) == 1


@pytest.mark.attack(24)
def test_an_instructors_token_for_accounts_alone_opens_no_server(
    hostile: HostileServer, mallory: Server, admin: Visitor, url: str
) -> None:
    def ask(fields: dict[str, object], path: str) -> int:
        name = api(admin, "GET", "user").json()["name"]
        secret = api(admin, "POST", f"users/{name}/tokens", fields).json()["token"]
        return httpx.get(f"{url}{path}", headers={"Authorization": f"token {secret}"}).status_code

    narrow = {"note": "class list", "scopes": ["admin:users", "list:users"]}
    assert ask(narrow, "/hub/api/classroom/accounts") == 200
    assert ask(narrow, f"{mallory.base}api/contents") == 403
    before = len(hostile.requests)
    assert ask({"note": "everything"}, f"{mallory.base}api/contents") == 200
    assert len(hostile.requests) == before + 1


def test_a_server_in_use_goes_on_while_the_hub_is_away(
    visit: Callable[..., Visitor], mallory: Server, server: Verb
) -> None:
    visitor = visit()
    visitor.sign_in(mallory.name)
    own = Server(visitor, mallory.name)
    own.open()
    server("stop", "hub")
    try:
        for _ in range(3):
            assert own.get("api/status").status_code == 200
            wait_until(lambda: own.get("api/status").status_code == 200, "the gate still knows the browser", 8)
        assert own.write("kept.txt", "kept").status_code in {200, 201}
    finally:
        server("start", "hub")
    assert own.read("kept.txt") == "kept"


def test_a_body_for_a_server_that_does_not_run_does_not_fill_the_hub(student: Visitor, name: str, url: str) -> None:
    """The proxy passes it to the hub, which kept 94 MB of each connection in memory."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in student.web.cookies.jar if cookie.path == "/")
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 80), timeout=20) as connection:
        head = f"PUT /user/{name}/x HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {cookies}\r\n"
        head += "Content-Length: 90000000\r\n\r\n"
        connection.sendall(head.encode())
        with contextlib.suppress(ConnectionError):  # the answer comes before all is sent
            connection.sendall(b"x" * 6_000_000)
        assert connection.recv(12).split()[1] in {b"400", b"502", b"503"}


def test_a_link_to_a_notebook_leads_to_the_same_place_of_the_own_server(student: Visitor, mallory: Server) -> None:
    page = look(student, f"{mallory.base}lab/tree/week%201.ipynb?x=1").text
    assert "/lab/tree/week%201.ipynb?x=1" in page
    assert f"/hub/user/{mallory.name}/" not in page
