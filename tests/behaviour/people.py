"""HTTP client that uses the site as a student or an instructor."""

from __future__ import annotations

import html
import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "four plain words here"


@dataclass
class Visitor:
    """A browser of one person. Each has its own client address where the site is on this machine."""

    url: str
    address: str | None = None
    web: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        if self.address is None and urlsplit(self.url).hostname == "127.0.0.1":
            self.address = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"  # noqa: S311
        self.web = httpx.Client(
            base_url=self.url,
            transport=httpx.HTTPTransport(local_address=self.address),
            timeout=60,
            headers={"User-Agent": "classroom behaviour tests"},
        )

    def get(self, path: str, *, follow: bool = True) -> httpx.Response:
        return self.web.get(path, follow_redirects=follow)

    def post(self, path: str, fields: dict[str, str | list[str]], *, follow: bool = True) -> httpx.Response:
        """Send a form like its page: get the page first, and send its token with the form."""
        if self.xsrf is None:
            self.get(path)
        data = {"_xsrf": self.xsrf or "", **fields}
        return self.web.post(path, data=data, follow_redirects=follow)

    @property
    def xsrf(self) -> str | None:
        return next((c.value for c in self.web.cookies.jar if c.name == "_xsrf" and c.path == "/hub/"), None)

    def sign_up(
        self, name: str, password: str = PASSWORD, again: str | None = None, full_name: str = ""
    ) -> httpx.Response:
        return self.post(
            "/hub/signup",
            {
                "username": name,
                "full_name": full_name,
                "signup_password": password,
                "signup_password_confirmation": password if again is None else again,
            },
        )

    def sign_in(self, name: str, password: str = PASSWORD, next_url: str = "/hub/home") -> httpx.Response:
        self.get("/hub/login")
        return self.post(f"/hub/login?next={next_url}", {"username": name, "password": password})

    def act(self, action: str, *names: str) -> httpx.Response:
        """Press an instructor's button on the list of accounts."""
        return self.post("/hub/authorize", {"action": action, "name": list(names)})

    @property
    def is_signed_in(self) -> bool:
        return self.get("/hub/home", follow=False).status_code == 200


_MESSAGE = re.compile(r'<(?:div|p) [^>]*class="(?:alert alert-(?:danger|success)|login_error)"[^>]*>(.*?)</', re.DOTALL)


def page_messages(answer: httpx.Response) -> str:
    """Return the errors and notices of a page, without markup."""
    return " ".join(html.unescape(text).strip() for text in _MESSAGE.findall(answer.text))


def is_waiting(admin: Visitor, name: str) -> bool:
    page = admin.get("/hub/authorize").text
    return f'aria-label="Approve {name}"' in page


def is_approved(admin: Visitor, name: str) -> bool:
    page = admin.get("/hub/authorize").text
    return f'href="/hub/change-password/{name}"' in page


def shown_password(answer: httpx.Response) -> str:
    match = re.search(r'id="one-time-password">([^<]+)<', answer.text)
    assert match, page_messages(answer)
    return match[1]


def api(visitor: Visitor, method: str, path: str, body: dict[str, object] | None = None) -> httpx.Response:
    """Call JupyterHub's API with the cookies of a person."""
    headers = {"X-XSRFToken": visitor.xsrf or "", "Referer": f"{visitor.url}/hub/admin"}
    return visitor.web.request(method, f"/hub/api/{path}", headers=headers, json=body)


def submit_login(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the login form that a browser shows, and send it."""
    page.get_by_label("Username:").fill(name)
    page.get_by_label("Password:").fill(password)
    page.get_by_role("button", name="Sign in").click()


def log_in(page: Page, name: str, password: str = PASSWORD, next_url: str = "/hub/home") -> None:
    """Open the login page in a browser and send the form; the caller waits for the next page."""
    page.goto(f"/hub/login?next={next_url}")
    submit_login(page, name, password)
