from __future__ import annotations

import re
from pathlib import Path

import jupyterhub._data
import pytest
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader

from classroom.web import STATIC, TEMPLATES

UPSTREAM = str(Path(jupyterhub._data.DATA_FILES_PATH) / "templates")  # noqa: SLF001
OURS = sorted(TEMPLATES.glob("*.html"))


@pytest.fixture(scope="module")
def pages() -> Environment:
    """Return an environment that loads templates as JupyterHub does."""
    upstream = FileSystemLoader([UPSTREAM])
    return Environment(
        loader=ChoiceLoader([PrefixLoader({"templates": upstream}, "/"), FileSystemLoader([str(TEMPLATES), UPSTREAM])]),
        autoescape=True,
    )


def render(pages: Environment, name: str, **names: object) -> str:
    return pages.get_template(name).render(static_url=lambda path, **_: path, base_url="/hub/", **names)


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (
            403,
            "Action is not authorized with current scopes; requires any of [admin:users]",
            "Only instructors can open it",
        ),
        (403, "This page was open for too long.", "This page was open for too long."),
        (403, "XSRF cookie does not match POST argument", "you were signed out meanwhile. Nothing was changed."),
        (403, "'_xsrf' argument missing from POST", "you were signed out meanwhile. Nothing was changed."),
        (404, "", "Page not found"),
        (405, "", "Use the buttons on the page"),
        (500, "Traceback (most recent call last): secret", "It is not your fault"),
        (503, "<b>busy</b>", "&lt;b&gt;busy&lt;/b&gt;"),
        (418, "", "Request failed"),
    ],
)
def test_an_error_page_is_in_plain_english(pages: Environment, status: int, message: str, words: str) -> None:
    text = render(pages, "error.html", status_code=status, status_message="Its name", message=message)
    assert words in text
    assert "Traceback" not in text
    assert "XSRF" not in text
    assert f"{status} Its name" in text


def test_a_message_of_ours_is_shown_once(pages: Environment) -> None:
    message = "This class uses no GPUs."
    assert render(pages, "error.html", status_code=404, status_message=message, message=message).count(message) == 1


def test_a_failed_start_shows_the_spawners_message(pages: Environment) -> None:
    text = render(
        pages, "not_running.html", failed=True, failed_message="All GPUs are <taken>.", spawn_url="/hub/spawn"
    )
    assert "All GPUs are &lt;taken&gt;." in text
    assert "show your instructor this page" in text


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_pages_have_no_inline_script_or_handler(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.findall(r"<script(?![^>]* src=)", text)
    assert not re.findall(r"\son[a-z]+=|javascript:|\sstyle=", text)


def test_every_static_file_of_a_page_exists() -> None:
    named = {
        name for file in OURS for name in re.findall(r"classroom-static/([\w.-]+)", file.read_text(encoding="utf-8"))
    }
    assert named == {file.name for file in STATIC.iterdir()}
