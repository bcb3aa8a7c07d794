"""The check of the TLS certificate that Nginx on this machine presents."""

from __future__ import annotations

import re
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509

from classroom.doctor import units
from classroom.doctor.checks import ok, reason, warning, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.doctor.checks import Finding

ABOUT = "certificate"
_SOON = timedelta(days=14)  # ACME renews a month before the end
_TIMEOUT = 4  # seconds
# lego's lines for a domain that failed, and for a server that did not answer.
_FAILURE = re.compile(r"^(?:\[[^\]]+\] |\S+ \S+ Could not create client: )(.+)$", re.MULTILINE)
# What a sentence for an operator does not need: the error's number and type (RFC 8555, 6.7), and the address.
_DETAIL = re.compile(r"^(?:invalid authorization: )?acme: error: \d+ :: urn:\S+ :: |[gG]et \"[^\"]*\": ")
_LONGEST = 200  # characters


def check_certificate(external_url: str, address: str = "127.0.0.1", now: datetime | None = None) -> Iterable[Finding]:
    """Check the name and the expiry of the certificate; a site without TLS has no finding."""
    parts = urlsplit(external_url)
    if parts.scheme != "https" or not parts.hostname:
        return
    try:
        certificate = _read_certificate(address, parts.port or 443, parts.hostname)
    except ConnectionRefusedError:
        yield _refused(parts.hostname)
        return
    except OSError as error:
        yield wrong(ABOUT, f"No TLS with Nginx ({reason(error)}).", "journalctl -b -e -u nginx")
        return
    unit = acme_unit(parts.hostname)
    failure = _last_failure(unit) if unit else ""
    yield inspect_certificate(certificate, parts.hostname, now or datetime.now(UTC), unit, failure)


def acme_unit(host: str) -> str | None:
    """Return the unit of NixOS that gets the host's certificate by ACME, or None without one."""
    # Newer NixOS has both units, and the second one only makes the temporary certificate.
    names = (f"acme-order-renew-{host}", f"acme-{host}")
    return next((name for name in names if units.prop(name, "LoadState") == "loaded"), None)


def acme_failure(journal: str) -> str:
    """Return why lego got no certificate, from the journal of its unit; empty if it does not say."""
    reasons = _FAILURE.findall(journal)
    return _DETAIL.sub("", reasons[-1])[:_LONGEST].rstrip(".") if reasons else ""


def inspect_certificate(
    certificate: x509.Certificate, host: str, now: datetime, unit: str | None = None, failure: str = ""
) -> Finding:
    """Return the finding on the name and the expiry of a certificate.

    Args:
        certificate: what Nginx presents.
        host: the class's name.
        now: the current time.
        unit: gets the certificate by ACME; None if the operator brings it.
        failure: why its last try failed.
    """
    end = certificate.not_valid_after_utc
    renew = f"systemctl restart {unit}" if unit else "renew the certificate; systemctl reload nginx"
    last = f" The last try failed: {failure}." if failure else ""
    names = _names(certificate)
    if unit and _is_temporary(certificate):
        return wrong(ABOUT, f"It is NixOS's own until ACME brings one: browsers refuse the site.{last}", renew)
    if end <= now:
        return wrong(ABOUT, f"It has expired on {end:%Y-%m-%d}: browsers refuse the site.{last}", renew)
    if certificate.not_valid_before_utc > now:
        return wrong(ABOUT, f"It is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.", renew)
    if not any(_is_for(name, host) for name in names):
        return wrong(ABOUT, f"It is for {', '.join(names) or 'nobody'} and not for {host}.{last}", renew)
    if end - now < _SOON:
        return warning(ABOUT, f"It expires on {end:%Y-%m-%d}, in {(end - now).days} days.{last}", renew)
    return ok(ABOUT, f"It is for {host} and lasts until {end:%Y-%m-%d}.")


def _refused(host: str) -> Finding:
    """Return the finding where no TLS server listens."""
    if units.prop("nginx", "LoadState") == "loaded" and units.prop("nginx", "ActiveState") != "active":
        return wrong(ABOUT, "Nginx does not run, so there is no TLS.", "systemctl restart nginx")
    if acme_unit(host):
        return wrong(ABOUT, "Nginx does not listen for TLS.", "journalctl -b -e -u nginx")
    return ok(ABOUT, "TLS does not end on this machine: a tunnel or another server has the certificate.")


def _last_failure(unit: str) -> str:
    """Return why the last try of a unit failed; empty if it did not."""
    return acme_failure(units.journal(unit)) if units.prop(unit, "Result") not in {"", "success"} else ""


def _is_temporary(certificate: x509.Certificate) -> bool:
    """Return whether NixOS made the certificate for the time until the first one arrives; its program is minica."""
    issuers = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return any(str(issuer.value).startswith("minica root ca") for issuer in issuers)


def _read_certificate(address: str, port: int, host: str) -> x509.Certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate is checked below
    with (
        socket.create_connection((address, port), timeout=_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        encoded = encrypted.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(encoded or b"")


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _is_for(name: str, host: str) -> bool:
    """Return whether a name of the certificate covers the host: an asterisk is one label, the first (RFC 6125)."""
    if name.startswith("*."):
        return host.lower().partition(".")[2] == name[2:].lower()
    return name.lower() == host.lower()
