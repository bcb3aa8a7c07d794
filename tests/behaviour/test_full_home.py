"""Full home: the server starts, kernels run, saved files are kept, and deleting a file helps."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from behaviour.deployment import read_settings, student_image
from behaviour.servers import CodeError, Server

Verb = Callable[..., str]
MB = 1024**2

pytestmark = pytest.mark.timeout(180)

FILL = {
    "bytes": """
try:
    with open('filler', 'wb', buffering=0) as file:
        while True: file.write(bytes(4096))
finally:
    try:
        with open('filler', 'ab', buffering=0) as file:
            while True: file.write(b'x')
    except OSError: pass
""",
    "files": """
import os
os.makedirs('filler', exist_ok=True)
for number in range(100_000):
    open(f'filler/{number}', 'w').close()
""",
}


@pytest.fixture(params=["bytes", "files"])
def full(
    request: pytest.FixtureRequest, new_student: Callable[..., Server], server: Verb
) -> Iterator[tuple[Server, str]]:
    """Return a student with a full home and a stopped server.

    The volume is created before the first start, on its own small file system.
    """
    name = f"s{uuid.uuid4().hex[:10]}"
    settings = read_settings(server)
    volume = f"{settings.get('docker', {}).get('prefix', 'classroom')}-home-{name}"
    image = student_image(server)
    options = {"bytes": "size=20m", "files": "size=20m,nr_inodes=200"}[request.param]
    tmpfs = ["--driver=local", "--opt=type=tmpfs", "--opt=device=tmpfs", f"--opt=o={options},uid=1000,gid=100,mode=755"]
    server("docker", "volume", "create", *tmpfs, volume)
    # Files on a tmpfs exist as long as it is mounted.
    holds = ["--detach", "--rm", "--init", "--network=none", f"--volume={volume}:/kept", "--entrypoint=sleep"]
    holder = server("docker", "run", *holds, image, "600").strip()
    mine = new_student(name)
    mine.start()
    assert mine.write("letter.txt", "written in time").status_code == 201
    with mine.kernel() as kernel, pytest.raises(CodeError, match="No space left on device"):
        kernel.run(FILL[request.param], bound=90)
    mine.stop()
    yield mine, request.param
    mine.stop()
    server("docker", "rm", "--force", holder)


@pytest.mark.attack(79)
def test_a_full_home_still_starts_works_and_can_be_emptied(full: tuple[Server, str]) -> None:
    mine, kind = full
    mine.start()
    with mine.kernel() as kernel:
        assert kernel.run("1 + 1") == "2"
        with pytest.raises(CodeError, match="No space left on device"):
            kernel.run("with open('more', 'w') as file: file.write('x' * 10_000)")

    notebook = mine.get("api/contents/Welcome.ipynb", params={"content": 1})
    assert notebook.status_code == 200, "the file can be read"
    refused = mine.put(
        "api/contents/Welcome.ipynb", json={"type": "notebook", "content": big(notebook.json()["content"])}
    )
    assert refused.status_code == 507
    assert "Your home is full, so Welcome.ipynb was not saved." in refused.json()["message"]
    refused = mine.write("letter.txt", "x" * MB)
    assert refused.status_code == 507
    assert mine.read("letter.txt") == "written in time"
    again = mine.get("api/contents/Welcome.ipynb", params={"content": 1}).json()
    assert again["content"]["cells"] == notebook.json()["content"]["cells"]

    with mine.kernel() as kernel:
        # As the file browser does, one after the other; a directory of JupyterLab is emptied first.
        if kind == "files":
            kernel.run("!find filler -type f -delete")
    assert mine.delete("api/contents/filler").status_code == 204
    assert mine.write("letter.txt", "x" * MB).status_code == 200
    assert len(mine.read("letter.txt")) == MB


def big(notebook: dict[str, object]) -> dict[str, object]:
    """Return the notebook with a megabyte of metadata."""
    return notebook | {"metadata": {"padding": "x" * MB}}
