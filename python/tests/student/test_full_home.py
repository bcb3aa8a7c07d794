"""Full home: the server starts, kernels run, saved files are kept, and deleting files helps."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from student.student_site import Hub, Server


def notebook(text: str) -> dict[str, object]:
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": text}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def save_notebook(server: Server, text: str) -> object:
    return server.request("PUT", "api/contents/work.ipynb", json={"type": "notebook", "content": notebook(text)})


def fill(home: Path) -> None:
    with (home / "filling").open("ab", buffering=0) as file:
        for size in (64 * 1024, 1024, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@pytest.fixture
def small_home(hub: Hub) -> Iterator[Path]:
    """Mount a home on its own file system of 4 MB."""
    home = hub.homes / "full"
    home.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", home], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs root to mount a small file system: {mounted.stderr.decode().strip()}")
    yield home
    subprocess.run(["umount", "-l", home], check=True)


@pytest.mark.parametrize("used_before", [False, True], ids=["a home never used", "a home used before"])
def test_a_full_home(small_home: Path, spawn: Callable[[str], Server], used_before: bool) -> None:  # noqa: FBT001
    (small_home / "work.ipynb").write_text(json.dumps(notebook("saved before")))
    if used_before:
        server = spawn("full")
        save_notebook(server, "saved before")
        assert server.start_kernel().run("print(1)") == "1\n"
        server.stop()
    fill(small_home)
    assert os.statvfs(small_home).f_bavail == 0

    server = spawn("full")
    assert server.get("lab").status_code == 200
    opened = server.get("api/contents/work.ipynb").json()
    assert opened["content"]["cells"][0]["source"] == "saved before"
    kernel = server.start_kernel()
    assert kernel.run("import tempfile, json\nprint(6 * 7)") == "42\n"
    assert kernel.run("import matplotlib.pyplot; print('plots')") == "plots\n"

    # JupyterLab saves every minute: a second failure must not destroy the file either.
    for _ in range(3):
        answer = save_notebook(server, "changed " * 20_000)
        assert answer.status_code == 507
        assert "Your home is full" in answer.json()["message"]
        assert json.loads((small_home / "work.ipynb").read_text())["cells"][0]["source"] in (
            "saved before",
            ["saved before"],
        )
    assert server.save("new.txt", "x" * 100_000).status_code == 507
    assert not (small_home / "new.txt").exists()

    server.request("DELETE", "api/contents/filling").raise_for_status()
    save_notebook(server, "changed " * 20_000).raise_for_status()
    assert "changed" in (small_home / "work.ipynb").read_text()


def test_a_home_that_fills_up_while_a_notebook_is_open(small_home: Path, spawn: Callable[[str], Server]) -> None:
    server = spawn("full")
    save_notebook(server, "saved before").raise_for_status()
    kernel = server.start_kernel()
    fill(small_home)
    assert kernel.run("print('still here')") == "still here\n"
    server.get("api/contents/work.ipynb")
    assert save_notebook(server, "changed " * 20_000).status_code == 507
    assert "saved before" in (small_home / "work.ipynb").read_text()
    setting = server.request("PUT", "lab/api/settings/@jupyterlab/apputils-extension:themes", json={"raw": "{}"})
    assert setting.status_code < 600
    another = server.start_kernel()
    assert another.run("print('and another')") == "and another\n"
