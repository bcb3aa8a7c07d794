"""The proxy that Nix packages: the version of the lock, which the tests run too."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from nix.evaluation import REPOSITORY, build, evaluate, slow

LOCK = json.loads((REPOSITORY / "python/locks/npm/package-lock.json").read_text())
LOCKED = LOCK["packages"]["node_modules/configurable-http-proxy"]["version"]


def test_a_host_and_the_hubs_image_have_the_proxy_of_the_lock() -> None:
    found = evaluate(
        f"let pkgs = import <nixpkgs> {{ }}; built = import {REPOSITORY}/nix {{ inherit pkgs; }}; in {{"
        ' host = t.value { } [ "proxy" "package" "version" ]; package = built.proxy.version;'
        ' listen = t.value { } [ "proxy" "listen" ];'
        ' new = pkgs.lib.versionAtLeast (t.value { } [ "proxy" "package" "version" ]) "5.1"; }'
    )
    assert found == {"host": LOCKED, "package": LOCKED, "listen": "unix:/run/classroom/proxy.sock", "new": True}


@slow
def test_the_proxy_is_built_from_the_packages_of_the_lock(images: str) -> None:
    program = build(f"{images}.proxy") / "bin/configurable-http-proxy"
    environment = {key: value for key, value in os.environ.items() if key != "NODE_PATH"}
    answer = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, env=environment)
    assert answer.stdout.strip() == LOCKED


@pytest.mark.parametrize("path", [path for path in LOCK["packages"] if path])
def test_each_package_of_the_lock_has_an_address(path: str) -> None:
    """A package from elsewhere, or a copy under another name, would need an address of its own in nix/proxy.nix."""
    module = LOCK["packages"][path]
    assert module["integrity"].startswith("sha512-")
    assert not {"resolved", "link", "name"} & module.keys()
