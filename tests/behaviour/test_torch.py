"""PyTorch from PyPI in a student's home: 3 GB, so it runs only on request (`make test-torch`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from behaviour.servers import Server

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        os.environ.get("CLASSROOM_TEST_TORCH") != "1",
        reason="PyTorch is 3 GB: set CLASSROOM_TEST_TORCH=1 (make test-torch)",
    ),
]


@pytest.fixture(scope="module")
def learner(new_student: Callable[[], Server]) -> Iterator[Server]:
    """Return a student who has followed the welcome notebook's instructions for PyTorch."""
    mine = new_student()
    mine.start()
    with mine.kernel() as kernel:
        advice = kernel.run("from classroom.student.gpu import describe; print(describe())")
        assert "PyTorch is not installed" in advice
        command = advice.strip().splitlines()[-1].strip()
        output = kernel.run(command, bound=1500)
        assert "Successfully installed" in output, output[-2000:]
        kernel.end()
    yield mine
    mine.stop()


def run_notebook(server: Server, path: str) -> list[str]:
    """Run all code cells in order and return the output of each."""
    notebook = server.get(f"api/contents/{path}").json()["content"]
    with server.kernel() as kernel:
        shown = [kernel.run(cell["source"], bound=180) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        kernel.end()
    return shown


def test_the_welcome_notebook_says_what_pytorch_finds(learner: Server) -> None:
    first, *others = run_notebook(learner, "Welcome.ipynb")
    assert first.startswith("PyTorch 2.")
    assert "No GPU is attached to this server." in first or "build for the processor only" in first
    assert "Everything else works" in first
    assert all(others)


def test_pytorch_computes_learns_and_loads_data_with_workers(learner: Server) -> None:
    with learner.kernel() as kernel:
        assert (
            kernel.run("import torch; print((torch.ones(3, 4) @ torch.ones(4, 2)).sum().item())", bound=180) == "24.0\n"
        )
        kernel.run(
            "weight = torch.zeros(1, requires_grad=True)\n"
            "optimizer = torch.optim.SGD([weight], lr=0.1)\n"
            "for _ in range(100):\n"
            "    optimizer.zero_grad(); ((weight - 3) ** 2).sum().backward(); optimizer.step()"
        )
        assert kernel.ask("round(weight.item(), 3)") == 3.0
        # Workers pass their tensors through /dev/shm.
        kernel.run(
            "from torch.utils.data import DataLoader, TensorDataset\n"
            "data = TensorDataset(torch.arange(4_000_000, dtype=torch.float32).reshape(-1, 1000))\n"
            "total = sum(batch.sum().item() for (batch,) in DataLoader(data, batch_size=100, num_workers=2))",
            bound=180,
        )
        assert kernel.ask("round(total / (4_000_000 * 3_999_999 / 2), 4)") == 1.0


def test_torch_compile_finds_a_compiler(learner: Server) -> None:
    with learner.kernel() as kernel:
        kernel.run("import torch\n@torch.compile\ndef f(x): return torch.sin(x) ** 2 + torch.cos(x) ** 2", bound=180)
        assert kernel.ask("bool(torch.allclose(f(torch.rand(1000)), torch.ones(1000)))", bound=300) is True


def test_the_server_starts_as_fast_as_before_and_pytorch_is_still_there(
    learner: Server, figure: Callable[[str], None]
) -> None:
    learner.stop()
    figure(f"a student with PyTorch in the home, from the click to ready: {learner.start():.1f} s")
    with learner.kernel() as kernel:
        assert kernel.run("import torch; print(torch.__version__)", bound=180).startswith("2.")
