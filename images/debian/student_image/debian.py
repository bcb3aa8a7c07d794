"""Root file systems of Debian, made by debootstrap."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from student_image.common import ImageError, cache_directory, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUITE = "trixie"
"""Debian 13: Python 3.13, as in the Nix images, and Docker 26, which knows CDI devices."""
_SUITES = {"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}

# Documentation that nobody reads in a container; licences stay.
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")


def missing() -> str | None:
    """Why no root file system can be made here, or None."""
    if os.geteuid() != 0:
        return "debootstrap needs root"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed (apt-get install debootstrap)"
    return None


def mirror(sources: Path = Path("/etc/apt")) -> str | None:
    """The Debian mirror that this machine's apt uses; None, debootstrap's own default, on a machine that is not Debian.

    Reads both formats of sources.list(5).
    """
    for text in _source_texts(sources):
        for line in text.splitlines():
            one_line = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(http\S+)\s+(\S+)\s+.*\bmain\b", line)
            if one_line and one_line[2] in _SUITES:
                return one_line[1].rstrip("/")
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^(\w+(?:-\w+)*):[ \t]*(.*)$", stanza, re.MULTILINE))
            address = re.search(r"http\S+", fields.get("URIs", ""))
            if address and "deb" in fields.get("Types", "").split() and _SUITES & set(fields.get("Suites", "").split()):
                return address[0].rstrip("/")
    return None


def make_root(target: Path, packages: Sequence[str], suite: str = SUITE) -> None:
    """Make a minimal Debian with `packages` at `target`; what is half made never appears there.

    Packages are downloaded once for all roots.

    Raises:
        ImageError: no root, no debootstrap, or debootstrap failed (its last lines are in the message).
    """
    if reason := missing():
        raise ImageError(f"cannot make a Debian root file system: {reason}")
    packages_cache = cache_directory() / "debs"
    packages_cache.mkdir(exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    _remove(partial)
    run(
        [
            "debootstrap",
            "--variant=minbase",
            f"--cache-dir={packages_cache.resolve()}",
            f"--include={','.join(packages)}",
            suite,
            partial,
            *filter(None, [mirror()]),
        ],
        environment={**_apt_proxy(), "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"},
        failure=f"debootstrap could not make Debian {suite}",
    )
    for name in _UNUSED:
        for file in list((partial / name).rglob("*")):
            if not file.is_dir() and file.name != "copyright":
                file.unlink()
    _remove(target)
    partial.rename(target)


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


def _source_texts(sources: Path) -> Iterator[str]:
    for file in [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]:
        if file.suffix in {".list", ".sources"} and file.is_file():
            yield "\n".join(line for line in file.read_text(errors="replace").splitlines() if not line.startswith("#"))


def _apt_proxy() -> dict[str, str]:
    """Where debootstrap finds apt's proxy: it downloads with wget, which does not read apt's configuration."""
    if "http_proxy" in os.environ or not shutil.which("apt-config"):
        return {}
    shown = run(["apt-config", "shell", "PROXY", "Acquire::http::Proxy"], failure="apt-config failed")
    proxy = re.search(r"'(http[^']+)'", shown)
    return {"http_proxy": proxy[1]} if proxy else {}
