"""Root file systems of Debian, made by debootstrap."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from images.student.common import ImageError, cache_directory, run

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE = "trixie"
"""Debian 13: Python 3.13, as in the Nix images, and Docker 26, which knows CDI devices."""
_SUITES = {"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}

_SCRIPTS = Path("/usr/share/debootstrap/scripts")

# Documentation that nobody reads in a container; licences stay.
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")


def missing() -> str | None:
    """Return why no root file system can be made here, or None."""
    if os.geteuid() != 0:
        return "debootstrap needs root"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed (apt-get install debootstrap)"
    return None


def mirror(*options: str) -> str | None:
    """Return the Debian mirror of this machine's apt; None, debootstrap's default, where apt has no Debian.

    Args:
        options: for apt-get, such as `-o` and a setting.
    """
    if not shutil.which("apt-get"):
        return None
    shown = run(["apt-get", *options, "--print-uris", "update"], failure="apt-get does not list its sources")
    for address, suite in re.findall(r"^'(http[^']+?)/*/dists/([^/']+)/main/binary-", shown, re.MULTILINE):
        if suite in _SUITES:
            return str(address)
    return None


def make_root(target: Path, packages: Sequence[str], suite: str = SUITE) -> None:
    """Make a minimal Debian with `packages` at `target`; an unfinished one never appears there.

    Packages are downloaded once for all roots.

    Raises:
        ImageError: no root, no debootstrap, or debootstrap failed twice (its last lines are in the message).
    """
    if reason := missing():
        raise ImageError(f"cannot make a Debian root file system: {reason}")
    packages_cache = cache_directory() / "debs"
    packages_cache.mkdir(exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    options = ["--variant=minbase", f"--cache-dir={packages_cache.resolve()}", f"--include={','.join(packages)}"]
    command: list[str | Path] = ["debootstrap", *options, suite, partial, *_source(suite)]
    try:
        _bootstrap(command, partial, suite)
    except ImageError:  # such as a download that broke off; the second try has what came
        _bootstrap(command, partial, suite)
    for name in _UNUSED:
        for file in list((partial / name).rglob("*")):
            if not file.is_dir() and file.name != "copyright":
                file.unlink()
    partial.rename(target)


def _bootstrap(command: list[str | Path], partial: Path, suite: str) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    run(
        command,
        environment={**_apt_proxy(), "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"},
        failure=f"debootstrap could not make Debian {suite}",
    )


def _source(suite: str) -> list[str]:
    """Return the mirror, and the script of debootstrap for a suite that is newer than debootstrap."""
    if (_SCRIPTS / suite).exists():
        return list(filter(None, [mirror()]))
    return [mirror() or "http://deb.debian.org/debian", str(_SCRIPTS / "sid")]


def _apt_proxy() -> dict[str, str]:
    """Return apt's proxy as a variable: debootstrap downloads with wget, which does not read apt's configuration."""
    if "http_proxy" in os.environ or not shutil.which("apt-config"):
        return {}
    shown = run(["apt-config", "shell", "PROXY", "Acquire::http::Proxy"], failure="apt-config failed")
    proxy = re.search(r"'(http[^']+)'", shown)
    return {"http_proxy": proxy[1]} if proxy else {}
