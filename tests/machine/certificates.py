"""Certificates that are their own authority."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate for a host name, valid for 30 days, and its key, as `cert.pem` and `key.pem`."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    kind = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30")
    command: list[str | Path] = ["openssl", "req", *kind, *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
