"""A home that its student has broken by mistake: server and kernel start, and the notebook says what was corrected."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from behaviour.people import log_in
from behaviour.servers import Server
from behaviour.terminal import Terminal

pytestmark = pytest.mark.timeout(120)

BREAK = """
import os, pathlib, shutil
home = pathlib.Path.home()
(home / "helper.py").write_text("answer = 42")
for name in ("types", "typing", "enum", "traitlets", "zmq"):
    (home / f"{name}.py").write_text("raise SystemError('mine')")
(home / ".bashrc").write_text("exit 3")
shutil.rmtree(home / ".jupyter", ignore_errors=True)
settings = home / ".jupyter/lab/user-settings/@jupyterlab/notebook-extension"
settings.mkdir(parents=True)
(settings / "tracker.jupyterlab-settings").write_text("{")
(home / ".jupyter").chmod(0)
shutil.rmtree(home / ".local", ignore_errors=True)
(home / ".local").symlink_to(".local")
(home / ".cache").write_text("")
home.chmod(0o600)
"""


def test_a_broken_home_is_repaired_at_the_next_start_and_the_notebook_says_so(
    new_student: Callable[[], Server], browser: Browser, url: str, contexts: list[BrowserContext], terminal: Terminal
) -> None:
    mine = new_student()
    mine.start()
    with mine.kernel() as kernel:
        kernel.run(BREAK)
    mine.stop()
    mine.start()
    with mine.kernel() as kernel:
        assert kernel.run("import types, typing, enum, helper; helper.answer") == "42"
        assert kernel.run("oct(__import__('os').stat('.').st_mode & 0o777)") == "'0o700'"
    assert mine.write("letter.txt", "saved").status_code == 201
    contexts.append(browser.new_context(base_url=url))
    page = contexts[-1].new_page()
    log_in(page, mine.name, next_url=f"{mine.base}lab")
    for said in (
        "Your home folder could not be opened or changed (mode 600). Its mode is 700 now.",
        "The folder ~/.jupyter could not be opened or changed (mode 0). Its mode is 700 now.",
        "~/.local is not a folder, and Jupyter needs one there. Its name is .local.set-aside now.",
        "tracker.jupyterlab-settings is not valid, so JupyterLab cannot read it.",
    ):
        expect(page.get_by_text(said)).to_be_visible(timeout=30_000)
    page.locator(".jp-LauncherCard, .jp-Notebook").first.wait_for(timeout=60_000)
    assert "Your home folder could not be opened" in terminal.run("servers", "logs", mine.name).stdout
