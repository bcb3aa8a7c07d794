from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from classroom.doctor import certificate, http
from classroom.doctor.checks import State

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def made(name: str, days: float, begin: datetime = NOW - timedelta(days=60), issuer: str = "a CA") -> x509.Certificate:
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (issuer, name)]
    return (
        x509.CertificateBuilder(*names, KEY.public_key(), 1, begin, NOW + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .sign(KEY, hashes.SHA256())
    )


@pytest.mark.parametrize(
    ("shown", "state", "says"),
    [
        pytest.param(made("hub.example.org", 60), State.OK, "lasts until 2027-01-24", id="well"),
        pytest.param(made("*.example.org", 60), State.OK, "for hub.example.org", id="star"),
        pytest.param(made("hub.example.org", 5), State.WARNING, "in 5 days", id="soon"),
        pytest.param(made("hub.example.org", -1), State.WRONG, "has expired on 2026-11-24", id="expired"),
        pytest.param(made("other.example.org", 60), State.WRONG, "for other.example.org and not", id="other_name"),
        pytest.param(made("*.org", 60), State.WRONG, "not for hub.example.org", id="star_for_two_labels"),
        pytest.param(
            made("hub.example.org", 60, NOW + timedelta(days=1)), State.WRONG, "not valid before", id="not_yet"
        ),
    ],
)
def test_a_certificate_has_the_state(shown: x509.Certificate, state: State, says: str) -> None:
    found = certificate.inspect_certificate(shown, "hub.example.org", NOW)
    assert found.state is state
    assert says in found.message


def test_the_remedy_fits_where_the_certificate_comes_from() -> None:
    soon = made("hub.example.org", 5)
    own = certificate.inspect_certificate(soon, "hub.example.org", NOW)
    assert own.remedy == "renew the certificate; systemctl reload nginx"
    acme = certificate.inspect_certificate(soon, "hub.example.org", NOW, "acme-hub.example.org")
    assert acme.remedy == "systemctl restart acme-hub.example.org"


def test_a_temporary_certificate_of_nixos_is_wrong_with_acme_alone() -> None:
    shown = made("hub.example.org", 700, issuer="minica root ca 3a51c8")
    found = certificate.inspect_certificate(shown, "hub.example.org", NOW, "acme-hub.example.org")
    assert found.state is State.WRONG
    assert "until ACME brings one" in found.message
    assert certificate.inspect_certificate(shown, "hub.example.org", NOW).state is State.OK


_LEGO = """\
2026/11/28 06:57:35 [INFO] [hub.example.org] acme: Trying to solve HTTP-01
2026/11/28 06:57:41 Could not obtain certificates:
\terror: one or more domains had a problem:
[hub.example.org] {}
Failed to fetch certificates. This may mean your DNS records are set up incorrectly.
"""


@pytest.mark.parametrize(
    ("journal", "reason"),
    [
        pytest.param(
            _LEGO.format(
                "acme: error: 400 :: urn:ietf:params:acme:error:connection :: Get "
                '"http://hub.example.org:80/.well-known/acme-challenge/aO": dial tcp 203.0.113.99:80: no route to host'
            ),
            "dial tcp 203.0.113.99:80: no route to host",
            id="elsewhere",
        ),
        pytest.param(
            _LEGO.format(
                "invalid authorization: acme: error: 400 :: urn:ietf:params:acme:error:dns :: DNS problem: NXDOMAIN "
                "looking up A for hub.example.org - check that a DNS record exists for this domain"
            ),
            "DNS problem: NXDOMAIN looking up A for hub.example.org - check that a DNS record exists for this domain",
            id="no_record",
        ),
        pytest.param(
            "2026/11/28 06:57:48 Could not create client: get directory at 'https://acme.example.org/dir': "
            'Get "https://acme.example.org/dir": dial tcp 192.0.2.2:443: connect: connection refused\n',
            "get directory at 'https://acme.example.org/dir': dial tcp 192.0.2.2:443: connect: connection refused",
            id="no_server",
        ),
        pytest.param(_LEGO.format("one") + _LEGO.format("two."), "two", id="the_last_one"),
        pytest.param("Started acme-hub.example.org.service.\n", "", id="none"),
    ],
)
def test_the_reason_of_a_failed_try_is_the_programs_own(journal: str, reason: str) -> None:
    assert certificate.acme_failure(journal) == reason


def test_a_failed_renewal_gives_its_reason() -> None:
    soon = made("hub.example.org", 5)
    found = certificate.inspect_certificate(soon, "hub.example.org", NOW, "acme-hub.example.org", "no route to host")
    assert found.message.endswith("in 5 days. The last try failed: no route to host.")


def tls_context(folder: Path, asked: list[str | None]) -> ssl.SSLContext:
    """Return the context of a server that presents one certificate for every name and records the requested names."""
    key = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "both.pem"
    file.write_bytes(key + made("hub.example.org", 60).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.sni_callback = lambda _connection, name, _context: asked.append(name)
    return context


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[int, list[str | None]]]:
    """Run a TLS server; yield its port and the requested names."""
    asked: list[str | None] = []
    context = tls_context(folder, asked)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                context.wrap_socket(connection, server_side=True).close()

        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1], asked


def test_the_certificate_is_requested_by_the_classs_name(tmp_path: Path) -> None:
    with served(tmp_path) as (port, asked):
        (found,) = certificate.check_certificate(f"https://hub.example.org:{port}/", now=NOW)
    assert found.state is State.OK
    assert asked == ["hub.example.org"]


def test_tls_elsewhere_and_no_tls_are_no_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    (found,) = certificate.check_certificate(f"https://hub.example.org:{port}/")
    assert found.state is State.OK
    assert list(certificate.check_certificate("http://hub.example.org/")) == []


def test_requests_over_tls_name_the_class_and_need_no_trusted_certificate(tmp_path: Path) -> None:
    asked: list[str | None] = []

    async def host(request: web.Request) -> web.Response:
        return web.Response(text=request.host)

    async def send() -> http.Answer:
        app = web.Application()
        app.router.add_get("/", host)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls_context(tmp_path, asked)).start()
        try:
            endpoint = http.Endpoint(f"127.0.0.1:{runner.addresses[0][1]}", "class.example.com:8443", tls=True)
            return await http.request(endpoint, "GET", "/")
        finally:
            await runner.cleanup()

    assert asyncio.run(send()).body == b"class.example.com:8443"
    assert asked == ["class.example.com"]
