"""Headers from clients: address, scheme, host and path reach the hub correctly, despite forged headers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nginx.site import GATE, LIES, raw, seen
from nginx.upstreams import REPLY

if TYPE_CHECKING:
    from nginx.site import Site


@pytest.mark.attack(40)
@pytest.mark.parametrize("page", ["/hub/login", "/hub/api/user", "/user/alice/lab", "/services/x/", "/robots.txt"])
def test_a_client_cannot_lie_about_its_address_or_scheme(site: Site, page: str) -> None:
    with site.client("127.0.0.7", headers=LIES) as browser:
        headers = seen(browser.get(page))["headers"]
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == ["127.0.0.7"]
    assert headers["x-scheme"] == headers["x-forwarded-proto"] == ["http"]
    assert headers["x-forwarded-host"] == [site.front.listen[0]]
    assert not {"forwarded", "x-forwarded-port", "x_real_ip"} & headers.keys()


@pytest.mark.parametrize("page", ["/hub/login", "/user/alice/lab"])
def test_behind_a_tunnel_the_hub_sees_the_student_and_https(tunnelled: Site, page: str) -> None:
    told = {"X-Forwarded-For": "198.51.100.4, 203.0.113.9", "X-Forwarded-Proto": "https", "Host": "class.example.org"}
    with tunnelled.client("127.0.0.1", headers=told) as tunnel:
        answer = tunnel.get(page)
    headers = seen(answer)["headers"]
    # The last address is the one that the tunnel has seen; those before it are what the client claims.
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == ["203.0.113.9"]
    assert headers["x-scheme"] == headers["x-forwarded-proto"] == ["https"]
    assert headers["host"] == headers["x-forwarded-host"] == ["class.example.org"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_another_address_cannot_pretend_to_be_the_tunnel(tunnelled: Site) -> None:
    with tunnelled.client("127.0.0.7", headers=LIES) as browser:
        answer = browser.get("/hub/login")
    headers = seen(answer)["headers"]
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == ["127.0.0.7"]
    assert headers["x-scheme"] == headers["x-forwarded-proto"] == ["http"]
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("class.example.org", "class.example.org"),
        ("class.example.org:8000", "class.example.org:8000"),
        ("Class.Example.org:8000", "class.example.org:8000"),
        ("[::1]:8000", "[::1]:8000"),
        ("class.example.org:", "class.example.org"),
    ],
)
def test_the_host_keeps_its_port(site: Site, sent: str, kept: str) -> None:
    with site.client(headers={"Host": sent}) as browser:
        assert [h.lower() for h in seen(browser.get("/hub/login"))["headers"]["host"]] == [kept]


def test_the_host_header_cannot_contradict_the_request_line(site: Site) -> None:
    answer = raw(
        site, "GET http://class.example.org/hub/login HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert "class.example.org" in answer
    assert "evil.example" not in answer


@pytest.mark.parametrize(
    "path",
    [
        "/hub/user/a%2Fb/x",
        "/user/alice/files/a%2Fb%20c%25.ipynb?x=%2F&y=a+b",
        "/user/alice/files//two///slashes",
        "/user/alice/tree/%E4%BD%A0%E5%A5%BD",
        "/services/x/a%3Fb%23c",
        "/hub/api/users/a%5Cb",
        "/user/alice/x?back=\\slash",
    ],
)
def test_a_path_arrives_as_it_was_sent(site: Site, path: str) -> None:
    answer = raw(site, f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {GATE['Cookie']}\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.split("\r\n\r\n", 1)[1])["uri"] == path


@pytest.mark.parametrize(
    ("page", "server"),
    [
        ("/hub/", "hub"),
        ("/hub/login", "hub"),
        ("/hub/user/alice/lab", "hub"),
        ("/favicon.ico", "hub"),
        ("/user-redirect/x", "hub"),
        ("/user/alice/hub/login", "proxy"),
        ("/services/quiz/", "hub"),
    ],
)
def test_a_page_comes_from_the_right_server(site: Site, page: str, server: str) -> None:
    with site.client() as browser:
        assert seen(browser.get(page))["server"] == server


@pytest.mark.parametrize(
    "path",
    ["//evil.example/x", "//evil.example", "/%2F/evil.example", "/hub", "/hub/api", "/hub/static", "/user", "/\\evil"],
)
def test_nginx_itself_never_redirects(site: Site, path: str) -> None:
    answer = raw(site, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert " 30" not in answer.splitlines()[0]


def test_the_bare_address_redirects_to_the_hub_under_the_same_host_name(tunnelled: Site) -> None:
    with tunnelled.client(headers={"Host": "class.example.org:8443"}) as browser:
        answer = browser.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/hub/")


def test_a_redirect_of_the_hub_is_passed_on_as_it_is(site: Site) -> None:
    for place in ("/hub/", "http://classroom_hub/x", "https://class.example.org/hub/"):
        with site.client(headers={REPLY: json.dumps({"status": 302, "headers": {"Location": place}})}) as browser:
            assert browser.get("/hub/login").headers["Location"] == place


def test_connections_to_the_hub_and_the_proxy_are_reused(site: Site) -> None:
    for page in ("/hub/login", "/user/alice/lab"):
        with site.client() as browser:
            peers = {browser.get(page).json()["peer"] for _ in range(12)}
            answer = browser.get(page).json()
        assert answer["version"] == "HTTP/1.1"
        assert len(peers) <= 4, "a new connection for every request"
