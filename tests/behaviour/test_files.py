"""Files of a student: they are transferred completely, survive a stop, and only the student can read them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator

import pytest

from behaviour.servers import Kernel, Server

MB = 10**6
SIZE = 200 * MB
PART = 1024**2  # what JupyterLab sends at once

pytestmark = pytest.mark.timeout(300)


def blocks(size: int, length: int) -> Iterator[bytes]:
    """Yield different blocks, so that a lost, doubled or misplaced block changes the checksum."""
    for number, start in enumerate(range(0, size, length)):
        yield hashlib.shake_128(number.to_bytes(4)).digest(min(length, size - start))


def sha256(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def sum_in_home(kernel: Kernel, path: str) -> str:
    return kernel.run(f"import hashlib; print(hashlib.file_digest(open({path!r}, 'rb'), 'sha256').hexdigest())").strip()


def upload_as_jupyterlab_does(server: Server, path: str, size: int) -> None:
    parts = list(blocks(size, PART))
    for number, part in enumerate(parts, start=1):
        model: dict[str, object] = {"type": "file", "format": "base64", "content": base64.b64encode(part).decode()}
        model |= {"name": path, "path": path, "chunk": -1 if number == len(parts) else number}
        answer = server.put(f"api/contents/{path}", json=model)
        assert answer.status_code in {200, 201}, f"part {number}: {answer.status_code} {answer.text}"


def test_a_new_home_has_the_welcome_notebook(mine: Server) -> None:
    names = [entry["name"] for entry in mine.get("api/contents/").json()["content"]]
    assert names == ["Welcome.ipynb"]


def test_an_upload_of_200_MB_in_parts_is_complete(mine: Server, kernel: Kernel) -> None:
    upload_as_jupyterlab_does(mine, "in-parts.bin", SIZE)
    assert sum_in_home(kernel, "in-parts.bin") == sha256(blocks(SIZE, PART))


def test_an_upload_of_200_MB_at_once_is_complete(mine: Server, kernel: Kernel) -> None:
    content = b"".join(blocks(SIZE, PART))
    model = {"type": "file", "format": "base64", "content": base64.b64encode(content).decode()}
    answer = mine.put("api/contents/at-once.bin", json=model)
    assert answer.status_code == 201, answer.text
    assert sum_in_home(kernel, "at-once.bin") == hashlib.sha256(content).hexdigest()


def test_a_download_of_a_gigabyte_is_complete(mine: Server, kernel: Kernel) -> None:
    kernel.run(
        "import hashlib\n"
        "with open('big.bin', 'wb') as file:\n"
        "    for number in range(1000):\n"
        "        file.write(hashlib.shake_128(number.to_bytes(4)).digest(1_000_000))",
        bound=120,
    )
    with mine.visitor.web.stream("GET", f"{mine.base}files/big.bin") as stream:
        assert stream.status_code == 200
        received = sha256(stream.iter_bytes())
    assert received == sha256(blocks(1000 * MB, MB))
    kernel.run("import os; os.remove('big.bin')")


def test_files_survive_a_stop_and_a_start(new_student: Callable[[], Server]) -> None:
    mine = new_student()
    mine.start()
    mine.write("letter.txt", "written before the stop")
    with mine.kernel() as kernel:
        kernel.run(
            "import os, pathlib\n"
            "os.makedirs('data/deep')\n"
            "pathlib.Path('data/deep/x.bin').write_bytes(bytes(range(256)))"
        )
        kernel.run("os.chmod('data/deep/x.bin', 0o640); os.symlink('deep/x.bin', 'data/link')")
    mine.stop()
    mine.start()
    assert mine.read("letter.txt") == "written before the stop"
    with mine.kernel() as kernel:
        assert kernel.ask("list(open('data/link', 'rb').read()) == list(range(256))") is True
        assert kernel.run("import os; print(oct(os.stat('data/deep/x.bin').st_mode))") == "0o100640\n"
    mine.stop()


def test_files_outside_the_home_do_not_survive(new_student: Callable[[], Server]) -> None:
    mine = new_student()
    mine.start()
    with mine.kernel() as kernel:
        kernel.run("open('/tmp/gone', 'w').write('x'); open('/dev/shm/gone', 'w').write('x')")
    mine.stop()
    mine.start()
    with mine.kernel() as kernel:
        assert kernel.ask("[__import__('os').path.exists(p) for p in ('/tmp/gone', '/dev/shm/gone')]") == [False, False]
    mine.stop()


def test_two_students_have_separate_homes(mine: Server, new_student: Callable[[], Server]) -> None:
    other = new_student()
    other.start()
    mine.write("secret.txt", "mine alone")
    assert mine.read("secret.txt") == "mine alone"
    assert other.get("api/contents/secret.txt").status_code == 404
    other.stop()


@pytest.mark.attack(64)
@pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd"])
def test_the_file_browser_shows_nothing_outside_the_home(path: str, mine: Server) -> None:
    assert mine.get(f"api/contents/{path}").status_code in {400, 403, 404}
