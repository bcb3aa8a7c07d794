"""GPU check with PyTorch, for the welcome notebook and `classroom gpus test`.

`python -m classroom.student.gpu` prints the result and exits with 0 if each GPU computes correctly, with 1 if not.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = 2048  # rows of the test's matrices: 16 MiB each
_TOLERANCE = 0.05  # relative; TensorFloat-32 keeps ten bits
_GIB = 1024**3

# Its downloads do not fit on the container's /tmp, which is memory.
_INSTALL = "!TMPDIR=~ pip install --no-cache-dir torch"

_ON_PROCESSOR = "Everything else works: your code runs on the processor."


def describe(load: Callable[[str], Any] = import_module, devices: Path = Path("/dev")) -> str:
    """Return a few sentences on PyTorch and the GPUs, after a computation on each GPU.

    Args:
        load: imports a module.
        devices: where the device files are.
    """
    return check_gpus(load, devices)[1]


def check_gpus(load: Callable[[str], Any] = import_module, devices: Path = Path("/dev")) -> tuple[bool, str]:
    """Return whether there are GPUs and each computes correctly, and the sentences of `describe`."""
    attached = _attached(devices)
    try:
        torch = load("torch")
    except ModuleNotFoundError:
        return False, _without_torch(attached)
    except Exception as error:  # noqa: BLE001 - a broken installation can raise anything
        return False, (
            f"PyTorch is installed but cannot be loaded: {error}\n"
            "If you installed it yourself, remove it with `%pip uninstall -y torch` and restart the kernel "
            "(Kernel > Restart Kernel); otherwise show this text to your instructor."
        )
    version = f"PyTorch {torch.__version__} is installed."
    if not (torch.version.cuda or getattr(torch.version, "hip", None)):
        fix = " Ask your instructor for an image with CUDA." if attached else ""
        return False, f"{version} It is a build for the processor only, so it uses no GPU.{fix} {_ON_PROCESSOR}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available:
        return False, _without_gpu(version, attached, [str(warning.message) for warning in caught])
    results = [_test_gpu(torch, number) for number in range(torch.cuda.device_count())]
    works = bool(results) and all(correct for correct, _ in results)
    return works, "\n".join([f"{version} It sees {_count(len(results))}.", *(text for _, text in results)])


def _attached(devices: Path) -> int:
    # One file for each GPU, in addition to nvidiactl, nvidia-uvm and others. dxg is Windows' subsystem for Linux.
    return len(list(devices.glob("nvidia[0-9]*"))) or int((devices / "dxg").exists())


def _count(number: int) -> str:
    return "one GPU" if number == 1 else f"{number} GPUs"


def _no_gpu() -> str:
    return f"No GPU is attached to this server. {os.environ.get('CLASSROOM_NO_GPU', '')}".rstrip()


def _without_torch(attached: int) -> str:
    sentence = f"Attached to this server: {_count(attached)}." if attached else _no_gpu()
    return (
        f"PyTorch is not installed in this image. {sentence}\n"
        "You can install it into your home, where it takes several gigabytes, by running this in a cell:\n"
        f"    {_INSTALL}"
    )


def _without_gpu(version: str, attached: int, warnings_: list[str]) -> str:
    if not attached:
        return f"{version} {_no_gpu()} {_ON_PROCESSOR}"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in {"", "-1"}:
        return (
            f"{version} {_count(attached)[0].upper()}{_count(attached)[1:]} could be used, but your code sets "
            f"CUDA_VISIBLE_DEVICES={hidden!r}. Remove that and restart the kernel (Kernel > Restart Kernel)."
        )
    reason = f" CUDA says: {warnings_[0].strip()}" if warnings_ else ""
    return (
        f"{version} A GPU is attached to this server, but CUDA cannot use it.{reason}\n"
        "Stop your server and start it again. If it stays like this, show this text to your instructor: "
        "the driver of the machine may not fit, or need a restart."
    )


def _test_gpu(torch: Any, number: int) -> tuple[bool, str]:  # noqa: ANN401 - torch may not be there
    name = f"GPU {number}"
    try:
        name = f"GPU {number}, {torch.cuda.get_device_name(number)}"
        free, total = torch.cuda.mem_get_info(number)
        memory = f"{free / _GIB:.1f}G of {total / _GIB:.1f}G of memory free"
        correct, seconds = _multiply(torch, f"cuda:{number}")
    except Exception as error:  # noqa: BLE001 - RuntimeError and others; the student reads the reason
        if "out of memory" in str(error):
            return False, (
                f"{name}: its memory is in use. Restart kernels that you no longer need (Kernel > Restart); "
                "on a shared GPU others may be using it."
            )
        return False, f"{name}: a computation failed: {str(error).strip().splitlines()[0]}"
    if not correct:
        return (
            False,
            f"{name}: a computation gave a wrong result. Tell your instructor: the GPU or its driver is broken.",
        )
    return True, f"{name}: works, {memory}. It multiplied two {_SIZE} x {_SIZE} matrices in {seconds * 1000:.1f} ms."


def _multiply(torch: Any, device: str) -> tuple[bool, float]:  # noqa: ANN401
    matrix = torch.rand(_SIZE, _SIZE)
    on_device = matrix.to(device)
    # The first product loads the libraries; the second is the GPU's own speed.
    result = on_device @ on_device
    torch.cuda.synchronize(device)
    begin = time.perf_counter()
    result = on_device @ on_device
    torch.cuda.synchronize(device)
    seconds = time.perf_counter() - begin
    # One row is enough to detect a wrong result, and takes the processor little time.
    expected = matrix[:1] @ matrix
    gap = ((result[:1].cpu() - expected).abs() / expected).max().item()
    return gap < _TOLERANCE, seconds


if __name__ == "__main__":
    works, text = check_gpus()
    sys.stdout.write(f"{text}\n")
    raise SystemExit(0 if works else 1)
