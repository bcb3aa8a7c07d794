"""nginx.conf: Nginx and the linter of NixOS accept the shipped files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nginx.site import Site

from classroom.hub.nginx import render_nginx_config
from nginx.site import DIRECTIVES


def gixy(config: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("gixy")
    if not program.exists():
        pytest.skip("gixy is not installed with this Python")
    return subprocess.run([program, config], capture_output=True, text=True, check=False)


def test_the_linter_of_nixos_finds_nothing(site: Site, tunnelled: Site) -> None:
    for one in (site, tunnelled):
        found = gixy(one.directory / "nginx.conf")
        assert "No issues found" in found.stdout, found.stdout + found.stderr
        assert found.returncode == 0


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("server.conf", "location /planted/ { add_header X-Other 1; proxy_pass http://classroom_hub; }"),
        (
            "containers.conf",
            "location /planted/ { proxy_set_header Host $http_host; proxy_pass http://classroom_hub; }",
        ),
    ],
)
def test_the_linter_reads_the_files_and_not_only_the_frame(site: Site, tmp_path: Path, file: str, planted: str) -> None:
    shutil.copytree(DIRECTIVES, tmp_path / "nginx")
    with (tmp_path / "nginx" / file).open("a") as conf:
        conf.write(planted + "\n")
    config = tmp_path / "nginx.conf"
    config.write_text((site.directory / "nginx.conf").read_text().replace(str(DIRECTIVES), str(tmp_path / "nginx")))
    assert gixy(config).returncode == 1


def test_nginx_accepts_the_file_without_a_warning(site: Site, tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    config.write_text(render_nginx_config(site.settings, replace(site.front, directory=tmp_path)))
    done = subprocess.run(["nginx", "-t", "-e", "stderr", "-c", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_nginx_writes_only_into_its_directory(site: Site) -> None:
    with site.client() as browser:
        browser.post("/user/alice/x", content=b"x" * 4_000_000)
        browser.post("/hub/x", content=b"x" * 900_000)
    names = {path.name for path in site.directory.iterdir()}
    kinds = {f"{kind}_temp" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")}
    assert names == {"nginx.conf", "nginx.pid", "nginx.log", "access.log", "gate"} | kinds
