"""GPU check of the welcome notebook, with a double of PyTorch; `make test-torch` uses the real one."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from classroom.student.gpu import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def torch_with(cuda: str | None = "13.0", hint: str = "", **functions: Any) -> SimpleNamespace:
    def available() -> bool:
        if hint:
            warnings.warn(hint, stacklevel=1)
        return "get_device_name" in functions

    return SimpleNamespace(
        __version__="2.9.0",
        version=SimpleNamespace(cuda=cuda, hip=None),
        cuda=SimpleNamespace(is_available=available, device_count=lambda: 1, **functions),
        rand=raising(RuntimeError("CUDA error: out of memory")),
    )


def text_with(devices: Path, torch: object) -> str:
    return describe(lambda _: torch, devices)


@pytest.fixture
def none(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def one(tmp_path: Path) -> Path:
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_server_that_was_started_without_a_gpu_says_why(none: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSROOM_NO_GPU", "You chose to start without a GPU.")
    for text in (text_with(none, torch_with()), describe(raising(ModuleNotFoundError("torch")), none)):
        assert "No GPU is attached to this server. You chose to start without a GPU." in text


def test_without_pytorch_the_text_says_how_to_install_it(none: Path, one: Path) -> None:
    missing = raising(ModuleNotFoundError("torch"))
    assert "pip install --no-cache-dir torch" in describe(missing, none)
    assert "Attached to this server: one GPU." in describe(missing, one)


def test_without_a_gpu_the_text_explains_why(tmp_path: Path) -> None:
    assert "No GPU is attached to this server." in describe(raising(ModuleNotFoundError("torch")), tmp_path)
    assert "No GPU is attached to this server. Everything else works" in text_with(tmp_path, torch_with())


def test_a_pytorch_that_does_not_load(none: Path) -> None:
    text = describe(raising(OSError("libcudart.so.13: cannot open shared object file")), none)
    assert "cannot be loaded: libcudart.so.13" in text
    assert "restart the kernel" in text


def test_a_pytorch_for_the_processor(one: Path) -> None:
    assert "build for the processor only" in text_with(one, torch_with(cuda=None))
    assert "image with CUDA" in text_with(one, torch_with(cuda=None))


def test_a_gpu_that_cuda_cannot_use(one: Path) -> None:
    text = text_with(one, torch_with(hint="The NVIDIA driver on your system is too old"))
    assert "driver on your system is too old" in text
    assert "show this text to your instructor" in text


def test_a_gpu_that_is_hidden(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "One GPU could be used, but your code sets CUDA_VISIBLE_DEVICES=''" in text_with(one, torch_with())


def test_a_gpu_whose_memory_is_taken(one: Path) -> None:
    torch = torch_with(get_device_name=lambda _: "NVIDIA H100", mem_get_info=lambda _: (2**20, 80 * 2**30))
    text = text_with(one, torch)
    assert "It sees one GPU." in text
    assert "NVIDIA H100: its memory is in use" in text


def test_a_gpu_that_fails(one: Path) -> None:
    torch = torch_with(get_device_name=raising(RuntimeError("CUDA error: device-side assert\nmore lines")))
    text = text_with(one, torch)
    assert "GPU 0: a computation failed: CUDA error: device-side assert" in text
    assert "more lines" not in text
