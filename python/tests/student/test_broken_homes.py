"""Homes that students have broken by mistake: a server and a kernel start in each."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classroom.student.home_repair import repair
from student.student_site import Hub

SETTINGS = ".jupyter/lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
PACKAGES = f".local/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
SPEC = '{"argv": ["sleep", "1000"], "display_name": "Never"}'


def text(name: str, content: str) -> Callable[[Path], None]:
    def write(home: Path) -> None:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)

    return write


def link(name: str, target: str) -> Callable[[Path], None]:
    def write(home: Path) -> None:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(target)

    return write


def pipe(name: str) -> Callable[[Path], None]:
    def write(home: Path) -> None:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(home / name)

    return write


def mode(name: str, bits: int) -> Callable[[Path], None]:
    def write(home: Path) -> None:
        (home / name).mkdir(parents=True, exist_ok=True)
        (home / name).chmod(bits)

    return write


HIDDEN = (".local", ".jupyter", ".cache", ".ipython", ".config")
MISHAPS: dict[str, Callable[[Path], None]] = {
    **{f"{name} is a file": text(name, "") for name in HIDDEN},
    **{f"{name} is a circle": link(name, name) for name in HIDDEN},
    **{f"{name} leads nowhere": link(name, "/nowhere/at/all") for name in HIDDEN},
    **{f"{name} 000": mode(name, 0) for name in HIDDEN},
    **{f"{name} 500": mode(name, 0o500) for name in HIDDEN},
    **{f"{name}.py": text(f"{name}.py", "raise SystemError('mine')") for name in ("types", "typing", "enum", "random")},
    **{f"{name}.py": text(f"{name}.py", "exit(3)") for name in ("traitlets", "zmq", "IPython", "debugpy", "comm")},
    ".local/share/jupyter is a file": text(".local/share/jupyter", ""),
    "workspaces 000": mode(".jupyter/lab/workspaces", 0),
    ".bashrc ends": text(".bashrc", "exit 3"),
    "kernel never answers": text(".local/share/jupyter/kernels/never/kernel.json", SPEC),
    "kernel is no JSON": text(".local/share/jupyter/kernels/never/kernel.json", "{"),
    "kernel is a pipe": pipe(".local/share/jupyter/kernels/never/kernel.json"),
    "kernels are a circle": link(".local/share/jupyter/kernels", "kernels"),
    "configuration of another version": text(".jupyter/jupyter_server_config.json", '{"NotebookApp": {"x": []}}'),
    "configuration that ends": text(".jupyter/jupyter_server_config.py", "raise SystemExit"),
    "settings are no JSON": text(SETTINGS, "{"),
    "settings are a pipe": pipe(SETTINGS),
    "page configuration is no JSON": text(".jupyter/labconfig/page_config.json", "{"),
    "page configuration is a pipe": pipe(".jupyter/labconfig/page_config.json"),
    "workspace is no JSON": text(".jupyter/lab/workspaces/default-37a8.jupyterlab-workspace", "{"),
    "workspace is a pipe": pipe(".jupyter/lab/workspaces/default-37a8.jupyterlab-workspace"),
    "signatures are no database": text(".local/share/jupyter/nbsignatures.db", "x" * 5000),
    "signatures are a pipe": pipe(".local/share/jupyter/nbsignatures.db"),
    "a package ends Python": text(f"{PACKAGES}/end.pth", "import os; os._exit(3)"),
    "a package raises": text(f"{PACKAGES}/usercustomize.py", "raise SystemExit(3)"),
}


def break_home(home: Path, names: list[str], bits: int) -> None:
    for name in names:
        try:
            MISHAPS[name](home)
        except OSError:
            continue  # another one is in the way
    home.chmod(bits)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(st.sampled_from(sorted(MISHAPS)), min_size=3, max_size=8, unique=True),
    bits=st.sampled_from([0o755, 0o600, 0o000, 0o500]),
)
def test_a_server_and_a_kernel_start_in_any_home(hub: Hub, names: list[str], bits: int) -> None:
    user = f"weak{len(list(hub.homes.iterdir())) if hub.homes.exists() else 0}"
    home = hub.homes / user
    home.mkdir(parents=True)
    (home / "helper.py").write_text("answer = 42")
    break_home(home, names, bits)
    server = hub.spawn(user)
    try:
        assert server.get("lab").status_code == 200
        for path in ("api/contents", "api/kernelspecs", "lab/api/settings", "lab/api/workspaces"):
            assert server.get(path).status_code == 200
        notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        saved = server.request("PUT", "api/contents/a.ipynb", json={"type": "notebook", "content": notebook})
        assert saved.status_code == 201, saved.text
        assert server.get("api/contents/a.ipynb").status_code == 200
        printed = server.start_kernel().run("import types, typing, enum, helper; print(helper.answer)")
        assert printed.endswith("42\n"), printed
        if bits != 0o755:
            assert any("Your home folder" in line for line in server.get("api/classroom/notice").json()["home"])
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("mishap", "sentence"),
    [
        (
            ".jupyter is a file",
            "~/.jupyter is not a folder, and Jupyter needs one there. Its name is .jupyter.set-aside",
        ),
        (".local is a circle", "~/.local is not a folder"),
        (".jupyter 000", "The folder ~/.jupyter could not be opened or changed (mode 0). Its mode is 700 now."),
        ("settings are no JSON", f"~/{SETTINGS} is not valid, so JupyterLab cannot read it."),
        (
            "workspace is a pipe",
            "is not a file that can be read. Its name is default-37a8.jupyterlab-workspace.set-aside",
        ),
    ],
)
def test_a_repair_is_said_and_done_once(tmp_path: Path, mishap: str, sentence: str) -> None:
    MISHAPS[mishap](tmp_path)
    [found] = repair(tmp_path)
    assert sentence in found
    assert repair(tmp_path) == []


def test_files_that_jupyter_does_not_need_and_files_of_others_stay_as_they_are(tmp_path: Path) -> None:
    for name in (".cache is a file", ".config is a circle", "types.py", ".bashrc ends"):
        MISHAPS[name](tmp_path)
    text(SETTINGS, '{"a": 1, // a comment\n}')(tmp_path)
    text(".jupyter/lab/user-settings/empty.jupyterlab-settings", "")(tmp_path)
    text(".local/share/jupyter/kernels/mine/list.json", "[1]")(tmp_path)
    (tmp_path / "secret").write_text("")
    (tmp_path / "secret").chmod(0)
    link(".jupyter/lab/link.txt", str(tmp_path / "secret"))(tmp_path)
    before = sorted((str(path), path.lstat().st_mode) for path in tmp_path.rglob("*"))
    assert repair(tmp_path) == []
    assert sorted((str(path), path.lstat().st_mode) for path in tmp_path.rglob("*")) == before
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0


def test_nothing_that_was_set_aside_is_overwritten(tmp_path: Path) -> None:
    for content in ("first", "second", "third"):
        (tmp_path / ".jupyter").write_text(content)
        repair(tmp_path)
    assert {path.read_text() for path in tmp_path.glob(".jupyter.set-aside*")} == {"first", "second", "third"}
