"""Attacks from other sites and clients without an account, and security headers."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nginx.site import GATE, NAVIGATION, raw, serving
from nginx.upstreams import REPLY

if TYPE_CHECKING:
    from pathlib import Path

    from nginx.site import Site
    from nginx.upstreams import Upstream


@pytest.mark.attack(67)
@pytest.mark.parametrize(
    "path",
    [
        "/hub/metrics",
        "/hub/metrics?x=1",
        "/hub/api/metrics",
        "//hub//metrics",
        "/hub/%6detrics",
        "/hub/./metrics",
        "/user/alice/../../hub/metrics",
        "/user/alice/%2e%2e/%2e%2e/hub/metrics",
        "/hub\\metrics",
        "/user/alice\\..\\..\\hub\\metrics",
        "/classroom-pages/503.html",
    ],
)
def test_a_visitor_without_login_cannot_read(site: Site, path: str) -> None:
    status, _, rest = raw(site, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").partition("\r\n")
    assert status.split()[1] in {"400", "404"}
    assert '"server"' not in rest


def test_the_api_that_pages_use_is_reached(site: Site) -> None:
    with site.client() as browser:
        assert browser.post("/hub/api/users/alice/server").json()["server"] == "hub"


def cross_site(mode: str, origin: str) -> dict[str, str]:
    return {"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": origin}


@pytest.mark.attack(48, 49)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("origin", ["cross-site", "same-site"])
@pytest.mark.parametrize("page", ["/hub/authorize", "/user/alice/api/contents/x"])
def test_another_site_cannot_act_as_a_visitor(site: Site, page: str, method: str, origin: str) -> None:
    with site.client(headers=cross_site("no-cors", origin)) as browser:
        assert browser.request(method, page).status_code == 403


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", cross_site("no-cors", "same-origin")),
        ("POST", cross_site("cors", "same-origin")),
        ("POST", cross_site("navigate", "same-origin")),
        ("GET", cross_site("no-cors", "cross-site")),
        ("POST", {}),
    ],
    ids=["own-beacon", "own-script", "own-form", "image", "old-browser"],
)
def test_pages_of_the_class_may_act(site: Site, method: str, headers: dict[str, str]) -> None:
    with site.client(headers=headers) as browser:
        assert browser.request(method, "/hub/authorize").status_code == 200


SECURITY = {
    "X-Content-Type-Options": ["nosniff"],
    "Referrer-Policy": ["strict-origin-when-cross-origin"],
    "Server": ["nginx"],
    "Strict-Transport-Security": [],
}


@pytest.mark.parametrize(
    "page", ["/hub/login", "/hub/api/user", "/hub/static/x.css", "/user/alice/lab", "/hub/metrics"]
)
@pytest.mark.parametrize("status", [200, 404, 500])
def test_every_answer_carries_each_security_header_once(site: Site, page: str, status: int) -> None:
    own = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Strict-Transport-Security": "max-age=1",
        "Content-Security-Policy": "frame-ancestors 'none'",
    }
    with site.client(headers={REPLY: json.dumps({"status": status, "headers": own})}) as browser:
        answer = browser.get(page)
    for name, values in SECURITY.items():
        assert answer.headers.get_list(name) == values, name
    if page != "/hub/metrics":
        added = ["frame-ancestors 'self'"] if page.startswith("/user/") else []
        assert answer.headers.get_list("Content-Security-Policy") == ["frame-ancestors 'none'", *added]
        assert "Cache-Control" not in answer.headers


@pytest.mark.attack(77)
def test_no_query_and_no_referrer_is_logged(site: Site) -> None:
    with site.client(headers={"Referer": "http://x/?token=secret-one"}) as browser:
        browser.get("/hub/login?token=secret-two")
    assert '"GET /hub/login HTTP/1.1" 200' in site.access_log
    assert "secret" not in site.access_log


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Create a self-signed certificate for localhost; return chain and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "chain.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(secret)
    return folder / "chain.pem", folder / "key.pem"


def test_with_tls_browsers_get_a_strict_transport_security_header(
    directory: Path, hub: Upstream, proxy: Upstream, certificate: tuple[Path, Path]
) -> None:
    chain, key = certificate
    with (
        serving(directory, "tls", hub.address, proxy.address, certificate=chain, key=key) as site,
        site.client(headers=NAVIGATION) as browser,
    ):
        answer = browser.get("/hub/login", headers={"Host": "class.example.org"})
        home = browser.get("/hub/login", headers={"Host": "localhost:8443"})
    assert dict(answer.json()["headers"])["X-Scheme"] == "https"
    assert answer.headers.get_list("Strict-Transport-Security") == ["max-age=31536000"]
    assert "Strict-Transport-Security" not in home.headers


def test_http_2_as_on_nixos_keeps_host_and_limits(
    directory: Path, hub: Upstream, proxy: Upstream, certificate: tuple[Path, Path]
) -> None:
    curl = shutil.which("curl")
    if not curl or "HTTP2" not in subprocess.run([curl, "-V"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("no curl with HTTP/2")
    chain, key = certificate

    def ask(site: Site, path: str, *arguments: str, body: bytes = b"") -> list[str]:
        host, port = site.front.listen[0].split(":")
        name = f"class.example.org:{port}"
        line = [
            curl,
            "-sk",
            "--http2",
            "-H",
            f"Cookie: {GATE['Cookie']}",
            "--resolve",
            f"{name}:{host}",
            "-w",
            "\n%{http_version}\n%{http_code}",
        ]
        done = subprocess.run([*line, *arguments, f"https://{name}{path}"], input=body, capture_output=True, check=True)
        return done.stdout.decode().rsplit("\n", 2)

    def amend(text: str) -> str:
        """Enable HTTP/2 with syntax that every version accepts; newer ones prefer "http2 on"."""
        return text.replace(" ssl;", " ssl http2;")

    with serving(directory, "http2", hub.address, proxy.address, amend=amend, certificate=chain, key=key) as site:
        body, version, status = ask(site, "/user/alice/lab")
        assert (version, status) == ("2", "200")
        assert dict(json.loads(body)["headers"])["Host"] == f"class.example.org:{site.front.listen[0].split(':')[1]}"
        large = ("-H", "Sec-Fetch-Mode: navigate", "--data-binary", "@-")
        page, _, status = ask(site, "/hub/signup", *large, body=b"x" * 2_000_000)
        assert status == "413"
        assert "at most 1 MB" in page
        body, _, status = ask(site, "/hub/api/users", "--data-binary", "@-", body=b"x" * 2_000_000)
        assert (status, json.loads(body)["status"]) == ("413", 413)
        _, _, status = ask(site, "/user/alice/x", *large, body=b"x" * 2_000_000)
        assert status == "200"
