"""Students' servers with host names of their own: what a hostile page reaches, and how a browser gets there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from behaviour.containers import identifier
from behaviour.hostile import BOMB, HostileServer
from behaviour.servers import Server
from behaviour.test_gate import ELSE, enter
from behaviour.test_path import run_first_cell

Verb = Callable[..., str]

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs("nginx.conf")]

HUB = "http://class.localhost:8000"
START = 60_000


@pytest.fixture(scope="module", params=["each", "two"])
def mode(
    request: pytest.FixtureRequest, module_reload: Callable[[dict[str, Any]], None], server: Verb
) -> Iterator[str]:
    """Run the class with this value of `site.origins`."""
    module_reload(
        {
            "site": {
                "externalUrl": f"{HUB}/",
                "origins": request.param,
                "serversUrl": "http://servers.localhost:8000/",
            }
        }
    )
    for part in ("proxy", "nginx"):
        server("restart", part)
    yield str(request.param)
    module_reload({"site": {"externalUrl": "http://127.0.0.1:8000/", "origins": None, "serversUrl": None}})
    for part in ("proxy", "nginx"):
        server("restart", part)


@pytest.fixture(scope="module")
def people(new_student: Callable[[], Server]) -> list[Server]:
    """Return two students of the class, who signed up while it had one host name."""
    return [new_student(), new_student()]


@pytest.fixture
def window(people: list[Server], mode: str, browser: Browser, contexts: list[BrowserContext]) -> Callable[[], Page]:
    def open_() -> Page:
        contexts.append(browser.new_context(base_url=HUB))
        page = contexts[-1].new_page()
        page.set_default_timeout(START)
        return page

    assert people
    assert mode
    return open_


def host_of(student: Server, mode: str) -> str:
    return f"{student.name}.class.localhost" if mode == "each" else "servers.localhost"


def open_lab(page: Page, student: Server) -> None:
    """Log in, and start the server until JupyterLab is there."""
    enter(page, student.name, next_url="/hub/spawn")
    page.wait_for_url(f"**{student.base}lab**")
    expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=START)


def test_jupyterlab_works_at_its_own_host_name(
    window: Callable[[], Page], people: list[Server], mode: str, server: Verb
) -> None:
    page = window()
    open_lab(page, people[0])
    assert page.url.startswith(f"http://{host_of(people[0], mode)}:8000{people[0].base}")
    page.goto(f"{page.url.partition('/lab')[0]}/lab/tree/Welcome.ipynb")
    assert "GPU" in run_first_cell(page)
    with page.expect_popup() as opened:
        page.get_by_role("menuitem", name="File", exact=True).click()
        page.get_by_role("menuitem", name="Hub Control Panel").click()
    expect(opened.value).to_have_url(f"{HUB}/hub/home")
    server("docker", "kill", identifier(server, people[0].name))
    dialog = page.get_by_role("dialog").filter(has_text="Your server has stopped, because its container was stopped")
    expect(dialog).to_be_visible(timeout=4000)
    with page.expect_popup() as started:  # the notebook has changes that are not saved
        dialog.get_by_role("button", name="Start my server").click()
    started.value.wait_for_url(f"**{people[0].base}lab/**/tree/Welcome.ipynb**")
    expect(dialog).to_be_hidden(timeout=10_000)


def test_a_page_of_the_hub_at_a_host_name_of_servers_leads_to_the_hub(
    window: Callable[[], Page], people: list[Server], mode: str
) -> None:
    page = window()
    for place in ("/", "/hub/login"):
        page.goto(f"http://{host_of(people[0], mode)}:8000{place}")
        assert page.url.startswith(f"{HUB}/hub/login")


@pytest.mark.attack(1, 25, 28, 85)
def test_a_hostile_page_gets_nothing_from_the_hub(
    window: Callable[[], Page],
    people: list[Server],
    mode: str,
    server: Verb,
    admin_credentials: tuple[str, str],
) -> None:
    """In mode each an instructor may open it, in mode two only its owner."""
    mallory, bob = people
    owner = window()
    open_lab(owner, mallory)
    owner.close()  # it asks its own server again and again, with its own cookies
    teacher, other = window(), window()
    enter(teacher, *admin_credentials)
    enter(other, bob.name)
    with HostileServer(server, mallory, host_of(mallory, mode), HUB) as hostile:
        hostile.attack(admin_credentials[0])
        other.goto(f"http://{host_of(mallory, mode)}:8000{mallory.base}evil.html")
        expect(other.get_by_role("heading", name=ELSE)).to_be_visible()
        assert not [path for _, path, _ in hostile.requests if "evil" in path]
        teacher.goto(f"http://{host_of(mallory, mode)}:8000{mallory.base}evil.html")
        if mode == "two":
            expect(teacher.get_by_role("heading", name=ELSE)).to_be_visible()
            assert not [path for _, path, _ in hostile.requests if "evil" in path]
            return
        expect(teacher).to_have_title("Done")
        assert hostile.reports[0] == {
            "worker": "refused",
            "token": "refused",
            "frame": "refused",
            "opener": "none",
            "server": 403,
        }
        assert not [cookies for _, _, cookies in hostile.requests if "hub-login" in cookies or "_xsrf" in cookies]
    # Cookies of the hostile page change nothing at the hub.
    teacher.goto("/hub/authorize")
    expect(teacher).to_have_url(f"{HUB}/hub/authorize")


@pytest.mark.attack(1)
def test_a_way_that_another_browser_began_opens_nothing(
    window: Callable[[], Page], people: list[Server], mode: str, server: Verb
) -> None:
    """Otherwise a student could send a link that lets another browser in, where it is logged in as somebody else."""
    mallory = people[0]
    own, victim = window(), window()
    open_lab(own, mallory)
    with HostileServer(server, mallory, host_of(mallory, mode), HUB) as hostile:
        links: list[str] = []
        own.context.clear_cookies(name="classroom-gate")
        own.on("request", lambda request: links.append(request.url) if "/gate-open/" in request.url else None)
        own.goto(f"http://{host_of(mallory, mode)}:8000{mallory.base}own.html")
        assert links
        enter(victim, people[1].name)
        victim.goto(links[0].replace("own.html", "evil.html"))
        expect(victim.get_by_role("heading", name=ELSE)).to_be_visible()
        assert not [path for _, path, _ in hostile.requests if "evil" in path]


@pytest.mark.attack(26)
def test_cookies_of_a_hostile_page_lock_no_instructor_out(
    window: Callable[[], Page], people: list[Server], mode: str, server: Verb, admin_credentials: tuple[str, str]
) -> None:
    """The first request after it, often for the page's icon, removes all cookies: the instructor signs in again."""
    if mode == "two":
        pytest.skip("only its owner opens the page")
    mallory = people[0]
    owner, teacher = window(), window()
    open_lab(owner, mallory)
    enter(teacher, *admin_credentials)
    with HostileServer(server, mallory, host_of(mallory, mode), HUB) as hostile:
        hostile.page = BOMB.replace("DOMAIN", "class.localhost")
        teacher.goto(f"http://{host_of(mallory, mode)}:8000{mallory.base}bomb.html")
        expect(teacher).to_have_title("Done")
    teacher.goto("/hub/home")
    enter(teacher, *admin_credentials, next_url="/hub/authorize")
    expect(teacher).to_have_url(f"{HUB}/hub/authorize")
