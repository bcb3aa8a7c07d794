"""The demo's parts, one by one."""

from __future__ import annotations

import ast
import errno
import io
import json
import os
import re
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from demo.children import Children
from demo.class_settings import CANDIDATES, free_subnet, write_settings
from demo.commands import CommandError, explain_installation, run
from demo.first_stage import explain_system_error
from demo.install import Environment
from demo.options import DemoError, Engine, Options, Paths, choose_engine, inspect_engine, read_options
from demo.screen import Screen
from support.waiting import wait_until

ROOT = Path(__file__).parents[3]
LOG = Path("install.log")


def test_what_is_not_given_has_a_default() -> None:
    assert read_options({"PORT": "", "HOST": "", "ENGINE": "", "BASE_IMAGE": ""}) == Options()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PORT": "eighty"}, "PORT=eighty: write a number"),
        ({"PORT": "70000"}, "PORT=70000: write a number"),
        ({"PORT": "٨٠٠٠"}, "write a number"),
        ({"ENGINE": "podman"}, "ENGINE=podman: write one of auto, docker, process"),
        ({"HOST": "256.1.1.1"}, "HOST=256.1.1.1: no such address"),
    ],
)
def test_a_wrong_variable_is_told_with_what_to_write(variables: dict[str, str], words: str) -> None:
    with pytest.raises(DemoError, match=words):
        read_options(variables)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "no space left"),
        ("NewConnectionError: Failed to establish a new connection: [Errno -3] ...", "package index cannot be reached"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "is not trusted"),
        ("ERROR: No matching distribution found for numpy==2.4.6", "has no numpy==2.4.6"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS", "not the one that the lock names"),
        ("ERROR: Failed building wheel for pandas\n", "pandas has no ready-made package"),
        ("something new", "could not be installed"),
    ],
)
def test_what_pip_says_becomes_a_sentence_with_a_remedy(output: str, words: str) -> None:
    assert words in explain_installation(output, LOG)
    assert "install.log" in explain_installation(output, LOG)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("npm error code ENOTFOUND", "cannot be reached"),
        ("npm error code ENOSPC", "no space left"),
        ("npm error code UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "NODE_EXTRA_CA_CERTS"),
        ("npm error", "The proxy could not be installed"),
    ],
)
def test_what_npm_says_becomes_a_sentence_with_a_remedy(output: str, words: str) -> None:
    assert words in explain_installation(output, LOG)


def test_a_full_disk_is_called_a_full_disk() -> None:
    assert "no space left" in explain_system_error(OSError(errno.ENOSPC, "No space left on device", "/x"))


class EngineServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    answer = b""


class EngineHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = self.server.answer  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "engine"


@contextmanager
def engine_that_answers(folder: Path, content: Any) -> Iterator[dict[str, str]]:
    path = folder / "docker.sock"
    with EngineServer(str(path), EngineHandler) as server:
        server.answer = content if isinstance(content, bytes) else json.dumps(content).encode()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"DOCKER_HOST": f"unix://{path}"}
        server.shutdown()


def test_an_engine_that_is_new_enough_is_used(tmp_path: Path) -> None:
    with engine_that_answers(tmp_path, {"Version": "26.1.5", "ApiVersion": "1.45"}) as where:
        assert inspect_engine(where) == Engine(where["DOCKER_HOST"], "26.1.5")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"Version": "20.10.24", "ApiVersion": "1.41"}, "is 20.10.24, and 26 or newer is needed"),
        (b"<html>", "is not a Docker engine"),
        ([], "is not a Docker engine"),
    ],
    ids=["old", "page", "list"],
)
def test_an_engine_that_does_not_do_is_told(tmp_path: Path, content: Any, words: str) -> None:
    with engine_that_answers(tmp_path, content) as where:
        engine, reason = choose_engine(Options(), where)
        assert engine is None
        assert words in reason
        with pytest.raises(DemoError, match="ENGINE=process shows the site"):
            choose_engine(Options(engine="docker"), where)


@pytest.mark.parametrize("host", ["unix:///nowhere.sock", "ssh://elsewhere", "tcp://127.0.0.1:9"])
def test_an_engine_that_is_not_there_is_no_engine(host: str) -> None:
    with pytest.raises(DemoError, match=host):
        inspect_engine({"DOCKER_HOST": host})


ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0
class0 0000D50A 00000000 0001 0 0 0 00F0FFFF 0 0 0
demo0 0010D50A 00000000 0001 0 0 0 00F0FFFF 0 0 0
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the table above is a little-endian machine's")
def test_the_bridge_gets_a_network_that_nothing_uses() -> None:
    assert free_subnet(ROUTES) == IPv4Network("10.213.32.0/20")
    assert free_subnet(ROUTES.splitlines()[0]) == CANDIDATES[0]


def test_a_machine_in_all_of_the_networks_is_told() -> None:
    with pytest.raises(DemoError, match="ENGINE=process works without"):
        free_subnet("header\neth0 0000000A 00000000 0001 0 0 0 000000FF 0 0 0\n")


def test_a_file_gets_lines_and_a_terminal_a_bar() -> None:
    outputs = {}
    for terminal in (False, True):
        stream = io.StringIO()
        with Screen(stream, terminal=terminal).step("Making", "Made", long="minutes") as update:
            update(0.5, "Debian")
        outputs[terminal] = stream.getvalue()
    assert outputs[False] == "  Making (minutes)\n    Debian\n  Made in 0 s\n"
    assert re.search(r"Making.*━.* 50%.*Debian", outputs[True])


def test_a_bar_never_goes_back() -> None:
    stream = io.StringIO()
    with Screen(stream, terminal=True).step("Making", "Made") as update:
        update(0.5, "Debian")
        update(0.2, "packages")
    assert re.search(r" 50%.*packages", stream.getvalue())


def test_what_a_command_says_is_in_the_log_and_in_its_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines: list[str] = []
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo one; echo two >&2; exit 3"], log, on_line=lines.append)
    assert lines == ["one", "two"]
    assert caught.value.output == "one\ntwo\n"
    assert log.read_text().endswith("one\ntwo\n")


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no-such-program cannot be run"):
        run(["no-such-program"], tmp_path / "log")


def test_an_environment_of_another_lock_is_not_ready(tmp_path: Path) -> None:
    locks = tmp_path / "python" / "locks"
    shutil.copytree(ROOT / "python" / "locks", locks)
    environment = Environment(Paths(tmp_path))
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()
    assert not environment.is_ready
    environment._mark.write_text(environment._content())  # noqa: SLF001 - as after an installation
    assert environment.is_ready
    for lock in (locks / "demo.txt", locks / "npm" / "package-lock.json"):
        content = lock.read_text()
        lock.write_text(f"{content}\n")
        assert not environment.is_ready
        lock.write_text(content)
        assert environment.is_ready


def test_orphans_of_a_child_end_with_it(tmp_path: Path) -> None:
    """In a process of its own: it becomes the one that inherits orphans."""
    script = """
import sys, time
from pathlib import Path
from demo.children import Children
children = Children()
children.adopt()
children.start("part", ["sh", "-c", "setsid sh -c 'trap : TERM; sleep 300; sleep 300' & echo $! > pid; sleep 300"],
               Path("log"))
while not (Path("pid").exists() and Path("pid").read_text()):
    time.sleep(0.05)
children.stop()
"""
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_child_that_ends_is_shown_with_its_last_lines(tmp_path: Path) -> None:
    children = Children()
    children.start("hub", ["sh", "-c", "echo the database is broken; exit 1"], tmp_path / "hub.log")
    with pytest.raises(DemoError, match=r"(?s)The hub has stopped.*the database is broken.*hub\.log"):
        wait_until(children.check, "the child has ended", 20)


def as_python(version: str, path: str) -> subprocess.CompletedProcess[str]:
    """Start the demo as a Python of another version would."""
    script = f"import runpy, sys; sys.version_info = {version}; runpy.run_module('demo', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={"PATH": path}, check=False, capture_output=True, text=True
    )


def test_a_python_that_is_too_old_says_so(tmp_path: Path) -> None:
    ast.parse((ROOT / "demo" / "__main__.py").read_text(), feature_version=(3, 7))
    done = as_python("(3, 9, 2)", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("make demo needs Python 3.11 or newer and python3 is 3.9: install a newer one")


def test_a_python_that_is_too_old_looks_for_a_newer_one(tmp_path: Path) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text('#!/bin/sh\necho "newer $*"\n')
    newer.chmod(0o755)
    assert as_python("(3, 9, 2)", str(tmp_path)).stdout == "newer -m demo\n"


def test_a_long_path_has_no_socket_in_it(tmp_path: Path) -> None:
    deep = Paths(tmp_path / ("x" * 100))
    deep.directory.mkdir(parents=True)
    assert write_settings(Options(), deep, ["proxy"], None).proxy.api.startswith("127.0.0.1:")
