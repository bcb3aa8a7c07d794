"""ACME server of the tests: Let's Encrypt's Pebble, and certificates of its authority that are near their end."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from machine.certificates import make_certificate
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "acme.example.org"
_MANAGEMENT = 15000


class AcmeServer:
    """Pebble at https://acme.example.org/dir; its accounts and its authority end with it."""

    def __init__(self, directory: Path, address: str, resolver: str) -> None:
        """Write its files.

        Args:
            directory: for its files.
            address: its IPv4 address.
            resolver: the name server that it asks about a domain.
        """
        directory.mkdir(parents=True)
        self.authority, key = make_certificate(directory, NAME)
        """Its own certificate, which is its own authority."""
        self.root = directory / "root.pem"
        """Root of the certificates that it issues, once it has started."""
        self._address, self._resolver, self._directory = address, resolver, directory
        self._process: subprocess.Popen[bytes] | None = None
        configuration = {
            "listenAddress": f"{address}:443",
            "managementListenAddress": f"{address}:{_MANAGEMENT}",
            "certificate": str(self.authority),
            "privateKey": str(key),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": 90 * 86400,
        }
        (directory / "pebble.json").write_text(json.dumps({"pebble": configuration}), encoding="utf-8")

    def start(self, enter: Sequence[str]) -> None:
        """Start it.

        Args:
            enter: the beginning of a command line that runs a command on its host.
        """
        command = [
            *enter,
            "pebble",
            "-config",
            str(self._directory / "pebble.json"),
            "-dnsserver",
            f"{self._resolver}:53",
        ]
        # It waits for up to 15 s before it validates, and refuses some nonces, to try clients.
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self._enter = list(enter)
        wait_until(lambda: self._fetch("roots/0"), "the ACME server answers", 20)
        self.root.write_text(self._fetch("roots/0"), encoding="ascii")

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def aged(self, chain: str, days: int) -> str:
        """Return a certificate chain in PEM as it would be later: the first certificate has this many days left."""
        issued, *others = x509.load_pem_x509_certificates(chain.encode())
        issuer = serialization.load_pem_private_key(self._fetch("intermediate-keys/0").encode(), None)
        assert isinstance(issuer, rsa.RSAPrivateKey)
        end = datetime.now(UTC) + timedelta(days=days, hours=12)
        builder = x509.CertificateBuilder(
            issued.issuer, issued.subject, issued.public_key(), issued.serial_number, end - timedelta(days=90), end
        )
        for extension in issued.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        old = builder.sign(issuer, hashes.SHA256())
        return "".join(part.public_bytes(serialization.Encoding.PEM).decode() for part in (old, *others))

    def _fetch(self, path: str) -> str:
        command = ["curl", "-s", "--cacert", str(self.authority), "--resolve", f"{NAME}:{_MANAGEMENT}:{self._address}"]
        url = f"https://{NAME}:{_MANAGEMENT}/{path}"
        return subprocess.run([*self._enter, *command, url], check=False, text=True, capture_output=True).stdout
