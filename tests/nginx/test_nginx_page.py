"""The page "back in a moment" in a real browser."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from nginx.site import PAGES, serving
from nginx.upstreams import Upstream
from support.network import free_port
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from nginx.site import Site

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.skip("chromium is not on PATH (or name it in CHROMIUM)")
    # Root has no sandbox; the pages are our own.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=program, args=arguments)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("page", ["/hub/login?next=%2Fhub%2Fhome", "/user/alice/lab/tree/a%20b.ipynb#part"])
def test_the_page_opens_by_itself_when_the_class_is_back(directory: Path, browser: Browser, page: str) -> None:
    hub, socket = free_port(), directory / "page.sock"
    name = "page-" + page.split("/")[1]
    with serving(directory, name, f"127.0.0.1:{hub}", f"unix:{socket}") as site:
        tab = browser.new_page()
        tab.context.add_cookies([{"name": "classroom-gate", "value": "alice", "url": site.url}])
        shown = tab.goto(site.url + page)
        assert shown is not None
        assert shown.status == 503
        assert tab.get_by_role("heading").inner_text() == "Back in a moment"
        with Upstream("hub", port=hub), Upstream("proxy", path=socket):
            playwright.expect(tab).not_to_have_title("Back in a moment", timeout=15_000)
            assert f'"uri": "{page.split("#", maxsplit=1)[0]}"' in tab.content()
        tab.close()


@pytest.mark.attack(26)
def test_a_browser_with_too_many_cookies_gets_rid_of_them(site: Site, browser: Browser) -> None:
    """A page of a student can set cookies for all host names below the class's."""
    tab = browser.new_page()
    tab.context.add_cookies([{"name": f"bomb{n}", "value": "x" * 3900, "url": site.url} for n in range(20)])
    shown = tab.goto(f"{site.url}/hub/login")
    assert shown is not None
    assert shown.status == 400
    assert tab.get_by_role("heading").inner_text() == "Too many cookies"
    playwright.expect(tab.get_by_role("link", name="Sign in")).to_be_visible()
    shown = tab.goto(f"{site.url}/hub/login")
    assert shown is not None
    assert shown.status == 200
    assert tab.context.cookies() == []
    tab.close()


def test_a_form_that_was_sent_meanwhile_is_not_sent_again(directory: Path, browser: Browser) -> None:
    hub = free_port()
    sent: list[str] = []
    with serving(directory, "page-form", f"127.0.0.1:{hub}", f"unix:{directory / 'none.sock'}") as site:
        tab = browser.new_page()
        tab.on("request", lambda request: sent.append(request.method))
        form = '<form method=post action="/hub/login"><input name=username value=alice><button>Log in</button></form>'
        tab.route("**/form", lambda route: route.fulfill(body=form, content_type="text/html"))
        tab.goto(site.url + "/form")
        tab.get_by_role("button").click()
        tab.wait_for_url("**/hub/login")
        assert "If you just submitted a form" in tab.content()
        with Upstream("hub", port=hub):
            playwright.expect(tab).not_to_have_title("Back in a moment", timeout=15_000)
            assert '"method": "GET"' in tab.content()
        tab.close()
    assert sent.count("POST") == 1


def test_the_control_panel_is_offered_only_after_a_while(directory: Path, browser: Browser) -> None:
    with serving(directory, "page-late", f"127.0.0.1:{free_port()}", f"unix:{directory / 'none.sock'}") as site:
        tab = browser.new_page()
        tab.clock.install()
        tab.goto(site.url + "/user/alice/lab")
        link = tab.get_by_role("link", name="control panel")
        assert not link.is_visible()

        def later() -> bool:
            tab.clock.fast_forward(10_000)
            return link.is_visible()

        wait_until(later, "the control panel is offered")
        tab.close()


LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1100, "height": 700}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1100, "height": 700}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 320, "height": 568}, "color_scheme": "light", "has_touch": True},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
@pytest.mark.parametrize("page", ["503", "429", "413"])
def test_the_page_is_readable_in_dark_mode_and_on_a_phone(
    browser: Browser, page: str, look: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    tab = browser.new_page(**look)
    tab.goto((PAGES / f"{page}.html").as_uri())
    assert not tab.evaluate("document.documentElement.scrollWidth > innerWidth")
    for ink, paper in (("--ink", "--card"), ("--quiet", "--card"), ("--accent", "--card"), ("--paper", "--accent")):
        ratio = tab.evaluate(CONTRAST, [ink, paper])
        assert ratio >= 4.5, f"{ink} on {paper}: {ratio:.2f}"
    if folder := os.environ.get("CLASSROOM_TEST_SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/{request.node.callspec.id}.png")
    tab.close()


CONTRAST = """([one, other]) => {
  // Relative luminance and contrast as WCAG 2.2 defines them.
  const light = name => {
    const probe = document.createElement('i');
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const parts = getComputedStyle(probe).color.match(/[0-9.]+/g).map(n => n / 255)
      .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    probe.remove();
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""
