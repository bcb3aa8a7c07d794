"""Extensions of JupyterLab in a home, in a server, and as files that students' code may write."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("jupyterlab")

from classroom.student.home_extensions import extensions
from student.test_server import log_in

if TYPE_CHECKING:
    import httpx

    from student.student_site import Hub, Server

BUILD = {"jupyterlab": {"_build": {"load": "static/remote.js", "extension": "./extension"}}}


def plant(folder: Path, name: str, /, **changes: object) -> Path:
    """Write an extension and return its directory."""
    (folder / name / "static").mkdir(parents=True)
    (folder / name / "package.json").write_text(json.dumps({"name": name, "version": "1"} | BUILD | changes))
    (folder / name / "static" / "remote.js").write_text("planted")
    return folder / name


def test_extensions_with_and_without_a_scope_are_found(tmp_path: Path) -> None:
    plant(tmp_path, "plain")
    plant(tmp_path, "@scope/named")
    assert extensions(tmp_path) == [
        {"name": name, "load": "static/remote.js", "extension": "./extension"} for name in ("@scope/named", "plain")
    ]


def test_what_is_no_extension_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, "other", name="another")
    plant(tmp_path, "@classroom/notice")
    plant(tmp_path, "source", jupyterlab={"extension": True})
    plant(tmp_path, "list", jupyterlab=[])
    (plant(tmp_path, "text") / "package.json").write_text("{")
    (plant(tmp_path, "deep") / "package.json").write_text("[" * 100_000)
    (plant(tmp_path, "large") / "package.json").write_text(" " * 2_000_000)
    for name, make in {"pipe": os.mkfifo, "folder": os.mkdir}.items():
        (tmp_path / name).mkdir()
        make(tmp_path / name / "package.json")
    (tmp_path / "circle").symlink_to("circle")
    assert extensions(tmp_path) == []
    assert extensions(tmp_path / "absent") == []
    (tmp_path / "file").touch()
    assert extensions(tmp_path / "file") == []


@pytest.fixture(scope="module")
def owner(hub: Hub, server: Server) -> httpx.Client:
    """Return the browser of the owner; `server` itself sends the requests of somebody else who may open it."""
    return log_in(hub, server, "ann")


def test_a_page_of_the_owner_has_the_homes_extensions(owner: httpx.Client, server: Server) -> None:
    extension = plant(server.home / ".local/share/jupyter/labextensions", "mine")
    assert '"name": "mine"' in owner.get(f"{server.url}lab").text
    assert '"name": "mine"' not in owner.get(f"{server.url}lab?extensions=image").text
    file = f"{server.url}lab/extensions/mine/static/remote.js"
    answer = owner.get(file)
    assert answer.text == "planted"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "sandbox" in answer.headers["Content-Security-Policy"].replace(";", " ").split()
    (extension / "static/remote.js").write_text("changed")
    assert owner.get(file).text == "changed"


@pytest.mark.attack(101)
def test_a_page_of_a_visitor_has_the_images_extensions_only(owner: httpx.Client, server: Server) -> None:
    plant(server.home / ".local/share/jupyter/labextensions", "hidden")
    assert owner.get(f"{server.url}lab/extensions/hidden/static/remote.js").status_code == 200
    assert '"name": "hidden"' in owner.get(f"{server.url}lab").text
    assert '"name": "@classroom/notice"' in server.get("lab").text
    assert '"name": "hidden"' not in server.get("lab").text
    assert server.request("GET", "lab/extensions/hidden/static/remote.js").status_code == 404
    assert server.get("lab/extensions/@classroom/notice/static/notice.js").text


@pytest.mark.attack(101)
def test_no_page_and_no_file_elsewhere_is_served_from_a_homes_extension(owner: httpx.Client, server: Server) -> None:
    folder = server.home / ".local/share/jupyter/labextensions"
    extension = plant(folder, "sly")
    (server.home / "secret.js").write_text("elsewhere")
    (extension / "static/link.js").symlink_to(server.home / "secret.js")
    (extension / "static/environment.js").symlink_to("/proc/self/environ")
    (extension / "static/page.HTML").write_text("planted")
    own = plant(folder, "@classroom/notice")
    (own / "static/notice.js").write_text("planted")
    for path in ("sly/static/link.js", "sly/static/environment.js", "sly/static/page.HTML", "sly/package.json"):
        assert owner.get(f"{server.url}lab/extensions/{path}").status_code in {403, 404}, path
    assert "planted" not in owner.get(f"{server.url}lab/extensions/@classroom/notice/static/notice.js").text
