from __future__ import annotations

from pathlib import Path

import pytest

traitlets = pytest.importorskip("traitlets")

from classroom.student.config import ServerEnvironment, default_url, read_environment, server_config  # noqa: E402

DEFAULTS = ServerEnvironment(home=Path("/home/jovyan"), runtime=Path("/tmp/jupyter"))


def test_kernels_use_sockets() -> None:
    assert server_config(DEFAULTS).KernelManager.transport == "ipc"


def test_kernels_use_ports_where_the_path_is_too_long_for_a_socket() -> None:
    deep = ServerEnvironment(home=DEFAULTS.home, runtime=Path("/tmp") / ("x" * 60))
    assert "transport" not in server_config(deep).KernelManager


def test_kernels_are_never_stopped_by_default() -> None:
    assert "cull_idle_timeout" not in server_config(DEFAULTS).MappingKernelManager


@pytest.mark.parametrize(("idle", "interval"), [(3600, 60), (60, 15), (4, 1), (1, 1)])
def test_the_search_for_idle_kernels_is_frequent_enough(idle: int, interval: int) -> None:
    manager = server_config(ServerEnvironment(DEFAULTS.home, DEFAULTS.runtime, kernel_idle=idle)).MappingKernelManager
    assert (manager.cull_idle_timeout, manager.cull_interval) == (idle, interval)
    assert manager.cull_connected
    assert not manager.cull_busy


@pytest.mark.parametrize(("memory", "body"), [(64 * 1024, 512), (4096, 409), (512, 51)])
def test_one_upload_cannot_use_all_memory(memory: int, body: int) -> None:
    server = server_config(ServerEnvironment(DEFAULTS.home, DEFAULTS.runtime, memory=memory * 2**20)).ServerApp
    assert server.max_body_size // 2**20 == server.max_buffer_size // 2**20 == body


def test_every_server_has_a_cookie_secret_of_its_own() -> None:
    first, second = (server_config(DEFAULTS).ServerApp.cookie_secret for _ in range(2))
    assert first != second
    assert len(first) >= 32


def test_with_a_full_home_trusted_notebooks_are_stored_elsewhere() -> None:
    assert "NotebookNotary" not in server_config(DEFAULTS)
    full = ServerEnvironment(DEFAULTS.home, DEFAULTS.runtime, home_is_writable=False)
    assert server_config(full).NotebookNotary.data_dir == "/tmp/jupyter"


def test_the_environment_is_read() -> None:
    environment = {"HOME": "/h", "JUPYTER_RUNTIME_DIR": "/r", "CLASSROOM_KERNEL_IDLE": "90"}
    assert read_environment(environment, home_is_writable=True, memory=5) == ServerEnvironment(
        Path("/h"), Path("/r"), 90, memory=5
    )


def test_a_time_that_is_not_a_number_is_refused() -> None:
    environment = {"HOME": "/h", "JUPYTER_RUNTIME_DIR": "/r", "CLASSROOM_KERNEL_IDLE": "60m"}
    with pytest.raises(ValueError, match="CLASSROOM_KERNEL_IDLE is '60m': write a number of seconds"):
        read_environment(environment, home_is_writable=True, memory=5)


def test_the_first_page_needs_a_welcome_notebook(tmp_path: Path) -> None:
    assert default_url(tmp_path) == "/lab"
    (tmp_path / "Welcome.ipynb").touch()
    assert default_url(tmp_path) == "/lab/tree/Welcome.ipynb"


@pytest.mark.parametrize(("memory", "message"), [(4096, 200), (2000, 100), (100, 10)])
def test_a_message_to_a_kernel_may_have_a_part_of_the_memory(memory: int, message: int) -> None:
    made = ServerEnvironment(home=Path("/home/ada"), runtime=Path("/tmp/jupyter"), memory=memory * 2**20)
    assert server_config(made).ServerApp.tornado_settings["websocket_max_message_size"] == message * 2**20
