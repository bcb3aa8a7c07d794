"""Random requests to the pages and to the API: no server error, no traceback, and no name of somebody else.

The requests are the same in each run; `CLASSROOM_FUZZ=5000` makes so many others.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from behaviour.deployment import read_settings
from behaviour.people import Visitor, api
from behaviour.servers import Server
from classroom.web.routes import API, PAGES

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(900)

EXAMPLES = int(os.environ.get("CLASSROOM_FUZZ", "0"))
SECONDS = 10
"""Bound of each test, unless CLASSROOM_FUZZ is set."""
JUPYTERHUB = (
    "/home", "/token", "/admin", "/error/NAME", "/user/NAME", "/user-redirect/NAME", "/api",
    "/api/info", "/api/users", "/api/users/NAME", "/api/user", "/api/groups", "/api/groups/NAME", "/api/proxy",
    "/api/services/NAME", "/api/shares/NAME", "/api/users/NAME/shared",
    "/api/authorizations/cookie/NAME/NAME",
)  # fmt: skip
PATHS = [re.sub(r"\(.*\)", "NAME", pattern) for pattern, *_ in (*PAGES, *API)]
# A sign-out would end the login of the other requests. Starts of servers are tested elsewhere.
PATHS = [path for path in (*PATHS, *JUPYTERHUB) if path != "/logout"]
# The API's actions have names of their own.
ACTIONS = ["approve", "revoke", "remove", "reset-password"]
FIELDS = [
    "username", "password", "old_password", "new_password", "new_password_confirmation", "signup_password",
    "signup_password_confirmation", "full_name", "code", "action", "name", "names", "all", "accounts", "dry_run",
    "text", "people", "count", "lasts", "group", "ids", "gpus", "begins", "ends", "id", "usernames", "admin", "scopes",
    "next", "otp", "note", "expires_in", "reason",
]  # fmt: skip
ODD = ["", "\0", "../..", "%00", "\ud7ff\U0010ffff", "a" * 3000, "-1", "1e999", str(2**70), "NaN", "null", "[]", "join"]
TEXT = st.text(max_size=20) | st.sampled_from(ODD)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | TEXT, inner, max_size=4),
    max_leaves=8,
)
BODY = (
    st.dictionaries(st.sampled_from(FIELDS), TEXT, max_size=5)
    | st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=60)
)
KIND = st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)


@dataclass(frozen=True)
class Request:
    """A random request."""

    method: str
    path: str
    word: str
    query: dict[str, str]
    body: dict[str, str] | bytes
    kind: str


REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "POST", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    path=st.sampled_from(PATHS),
    word=TEXT | st.sampled_from([*ACTIONS, "ME"]),
    query=st.dictionaries(st.sampled_from(FIELDS), TEXT, max_size=2),
    body=BODY,
    kind=KIND,
)


class Fuzzer:
    """Sends requests of one person from many addresses, so that Nginx's limits let them through."""

    def __init__(self, visitor: Visitor, forbidden: list[str], name: str = "nobody", *, upstream: bool = True) -> None:
        self.visitor = visitor
        self.name = name
        self.upstream = upstream
        self.forbidden = forbidden
        place = uuid.uuid4().bytes[0]
        transports = (httpx.HTTPTransport(local_address=f"127.{place}.7.{number}") for number in range(1, 40))
        clients = [httpx.Client(base_url=visitor.url, transport=transport, timeout=30) for transport in transports]
        self.web = itertools.cycle(clients)
        self.statuses: dict[int, int] = {}

    def send(self, request: Request) -> None:
        if request.path in JUPYTERHUB and not self.upstream:
            return
        headers = {
            "X-XSRFToken": self.visitor.xsrf or "",
            "Referer": f"{self.visitor.url}/hub/home",
            "Cookie": "; ".join(
                f"{c.name}={c.value}" for c in self.visitor.web.cookies.jar if c.path in {"/", "/hub/"}
            ),
        }
        options: dict[str, Any] = (
            {"data": request.body} if isinstance(request.body, dict) else {"content": request.body}
        )
        if isinstance(request.body, bytes):
            headers["Content-Type"] = request.kind
        path = "/hub" + request.path.replace("NAME", quote(request.word.replace("ME", self.name), safe=""))
        answer = next(self.web).request(request.method, path, params=request.query, headers=headers, **options)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500 or "Too many" in answer.text, (request, answer.status_code, answer.text[:500])
        assert "Traceback" not in answer.text, request
        assert 'File "/' not in answer.text, request
        for secret in self.forbidden:
            assert secret not in answer.text, (request, secret)


@pytest.fixture(scope="module")
def secrets(server: Verb) -> list[str]:
    """Return the hub's secrets."""
    folder = read_settings(server)["paths"]["state"] + "/secrets"
    return [server("exec", "cat", f"{folder}/{name}").strip() for name in server("exec", "ls", folder).split()]


@pytest.fixture(scope="module")
def witness(new_student: Callable[[], Server]) -> str:
    """Return the name of a student whom the others do not know."""
    return new_student().name


@pytest.fixture
def fuzz(server: Verb) -> Iterator[Callable[[Fuzzer], None]]:
    """Send requests until the bound; the hub's log has no error that nothing caught afterwards."""

    def run(fuzzer: Fuzzer) -> None:
        mark = f"before-{uuid.uuid4().hex}"
        fuzzer.visitor.get(f"/hub/{mark}")
        end = time.monotonic() + SECONDS

        @settings(
            max_examples=EXAMPLES or 400,
            derandomize=not EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(REQUESTS)
        @example(Request("POST", "/api/oauth2/authorize", "", {}, b"\xfb", "text/plain"))
        @example(Request("POST", "/api/oauth2/token", "", {"note": "x"}, {"text": "x"}, ""))
        def one(request: Request) -> None:
            if EXAMPLES or time.monotonic() < end:
                fuzzer.send(request)

        one()
        log = server("logs", "hub").rpartition(mark)[2]
        # JupyterHub logs a body that is no JSON with a traceback, and answers 400.
        uncaught = log.find("Uncaught exception")
        assert uncaught == -1, log[uncaught - 500 :][:6000]
        assert sum(fuzzer.statuses.values()) > 100, fuzzer.statuses
        assert fuzzer.statuses.get(429, 0) < sum(fuzzer.statuses.values()) / 3, fuzzer.statuses

    return run


def test_an_outsiders_requests_cause_no_error_and_learn_no_name(
    fuzz: Callable[[Fuzzer], None], visit: Callable[..., Visitor], secrets: list[str], witness: str
) -> None:
    stranger = visit()
    stranger.get("/hub/login")
    fuzz(Fuzzer(stranger, [*secrets, witness]))
    assert not stranger.is_signed_in


def test_a_students_requests_cause_no_error_and_learn_no_name(
    fuzz: Callable[[Fuzzer], None], student: Visitor, name: str, secrets: list[str], witness: str
) -> None:
    fuzz(Fuzzer(student, [*secrets, witness], name))
    assert student.is_signed_in


def test_an_instructors_requests_cause_no_error(
    fuzz: Callable[[Fuzzer], None], admin: Visitor, secrets: list[str]
) -> None:
    try:
        # JupyterHub's own API reconfigures the proxy and removes accounts.
        fuzz(Fuzzer(admin, secrets, upstream=False))
    finally:
        api(admin, "DELETE", "classroom/announcement")
    assert admin.is_signed_in
