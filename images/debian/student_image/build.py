"""The image in three layers, each made only when what is in it has changed: Debian, the Python environment, our part.

The later steps run in containers of the engine that the image is for, so they are the same whether the first layer is
made here by debootstrap or is somebody's base image.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from student_image import archives, debian, wheels
from student_image.common import REPOSITORY, ImageError, cache_directory, files_of, key, locked, remove_others

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from student_image.engine import Engine

PACKAGES = (
    "ca-certificates",
    "g++",  # torch.compile on the processor
    "gcc",  # torch.compile on a GPU, packages without a wheel
    "git",
    "less",
    "libc6-dev",
    "libstdc++6",  # manylinux wheels
    "procps",
    "python3",
    "python3-dev",
    "python3-venv",
    "tzdata",
)
LABEL = "org.classroom."
_HERE = Path(__file__).parent
_WORK = "tmp/classroom-image"  # as in inside.py
_PATH = "/opt/classroom/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# A base image may bring its own Python or compiler; what is there is not replaced.
_ADD_PACKAGES = """
set -e
missing=
for program in g++ gcc git less ps; do
    command -v $program >/dev/null || missing=1
done
if python3 -m ensurepip --version >/dev/null 2>&1; then has_python=1; else has_python= missing=1; fi
[ "$missing" ] || exit 0
command -v apt-get >/dev/null || {{ echo "it has no apt-get: name an image of Debian or Ubuntu"; exit 1; }}
export DEBIAN_FRONTEND=noninteractive
add=
for package in {packages}; do
    case "$has_python:$package" in 1:python3*) ;; *) add="$add $package" ;; esac
done
apt-get update -q
apt-get install -q -y --no-install-recommends $add
rm -rf /var/lib/apt/lists/*
"""


@dataclass(frozen=True)
class Plan:
    """What to make."""

    tag: str
    base_image: str | None
    lock: Path = REPOSITORY / "python/locks/student.txt"
    source: Path = REPOSITORY / "python/src/classroom"
    student_files: Path = REPOSITORY / "images/student-files"

    @property
    def version(self) -> str:
        """The version of this project."""
        text = (REPOSITORY / "python/src/classroom/__init__.py").read_text(encoding="utf-8")
        return str(re.findall(r'^__version__ = "(.+)"', text, re.MULTILINE)[0])

    @property
    def keys(self) -> tuple[str, str, str]:
        """Names of the contents of the three layers, each covering those below."""
        first = key("1", self.base_image or f"{debian.SUITE} {' '.join(PACKAGES)}", _HERE / "debian.py")
        second = key(first, self.lock, _HERE / "inside.py")
        third = key(second, self.version, *self.package, self.student_files, _HERE / "build.py", _HERE / "archives.py")
        return first, second, third

    @property
    def package(self) -> tuple[Path, Path]:
        """What of the project runs in a student's container: the hub's side is not there to be read or attacked."""
        return self.source / "__init__.py", self.source / "student"


def build(plan: Plan, engine: Engine, report: Callable[[int, int, str], None]) -> bool:
    """Make the image, or nothing if the engine has it.

    Args:
        plan: what to make.
        engine: where.
        report: is told each step: number, of how many, what.

    Returns:
        Whether anything was made.

    Raises:
        ImageError: a step failed.
    """
    if not files_of(plan.lock):
        raise ImageError(f"{plan.lock} is missing: the image is made from it")
    if reason := engine.missing():
        raise ImageError(reason)
    first, second, third = plan.keys
    if (engine.labels(plan.tag) or {}).get(LABEL + "key") == third:
        return False
    system, environment = f"classroom-student-system:{first}", f"classroom-student-environment:{second}"
    steps = 6
    with locked("student-image"):
        if engine.labels(environment) is None:
            if engine.labels(system) is None:
                _make_system(plan, engine, system, report, steps)
            report(3, steps, "asking the image's Python which wheels fit")
            wanted = wheel_tags(plan, engine, system)
            report(4, steps, "downloading the Python packages of the lock")
            found = wheels.download_lock(wanted)
            report(5, steps, "installing them")
            _make_environment(engine, system, environment, wanted["requirements"], found)
        report(6, steps, "adding the classroom package and the students' files")
        _make_image(plan, engine, environment, third)
        _remove_old(engine, {system, environment})
    return True


def _make_system(plan: Plan, engine: Engine, tag: str, report: Callable[[int, int, str], None], steps: int) -> None:
    if plan.base_image is None:
        root = cache_directory() / f"student-{tag.rpartition(':')[2]}"
        if not root.exists():
            report(1, steps, f"making Debian {debian.SUITE}")
            debian.make_root(root, PACKAGES)
            remove_others(root)
        report(2, steps, "loading it into the engine")
        engine.import_root(archives.of_root(root), tag, [f"ENV PATH={_PATH}"])
        return
    if engine.labels(plan.base_image) is None:
        report(1, steps, f"pulling {plan.base_image}")
        engine.pull(plan.base_image)
    report(2, steps, "adding Debian packages to it")
    script = _ADD_PACKAGES.format(packages=" ".join(PACKAGES))
    with _container(engine, plan.base_image, ["sh", "-c", script], network="default") as container:
        _finish(engine, container, "the Debian packages could not be added")
        engine.commit(container, tag, [f"ENV PATH={_PATH}"])


def wheel_tags(plan: Plan, engine: Engine, image: str) -> dict[str, Any]:
    """What pip has to be told of an image's Python, and the lock's lines that hold there (inside.py)."""
    with _container(engine, image, ["python3", f"/{_WORK}/inside.py", "tags"]) as container:
        engine.put(
            container, archives.of_files({f"{_WORK}/inside.py": _HERE / "inside.py", f"{_WORK}/lock.txt": plan.lock})
        )
        answer: dict[str, Any] = json.loads(_finish(engine, container, "the image's Python cannot be used"))
    return answer


def _make_environment(engine: Engine, system: str, tag: str, requirements: str, found: Path) -> None:
    with _container(engine, system, ["python3", f"/{_WORK}/inside.py", "environment"]) as container:
        files: dict[str, Path | bytes] = {f"{_WORK}/wheels/{file.name}": file for file in found.glob("*.whl")}
        files[f"{_WORK}/inside.py"] = _HERE / "inside.py"
        files[f"{_WORK}/requirements.txt"] = requirements.encode()
        engine.put(container, archives.of_files(files))
        _finish(engine, container, "the Python packages could not be installed")
        engine.commit(container, tag, [f"ENV PATH={_PATH}"])


def _make_image(plan: Plan, engine: Engine, environment: str, content: str) -> None:
    files: dict[str, Path | bytes] = {f"{_WORK}/inside.py": _HERE / "inside.py"}
    for part in plan.package:
        for file in files_of(part):
            files[f"{_WORK}/site/classroom/{file.relative_to(plan.source)}"] = file
    # The least that makes importlib.metadata and pip know the package (PyPA's core metadata specification).
    metadata = f"Metadata-Version: 2.1\nName: classroom\nVersion: {plan.version}\n"
    files[f"{_WORK}/site/classroom-{plan.version}.dist-info/METADATA"] = metadata.encode()
    home = {f"home/jovyan/{file.relative_to(plan.student_files)}": file for file in _home_files(plan.student_files)}
    with _container(engine, environment, ["python3", f"/{_WORK}/inside.py", "package"]) as container:
        engine.put(container, archives.of_files(files, home))
        _finish(engine, container, "the classroom package could not be added")
        changes = [
            "ENTRYPOINT []",
            'CMD ["/opt/classroom/bin/python", "-I", "-m", "classroom.student"]',
            "USER 1000:100",
            "WORKDIR /home/jovyan",
            # What a student installs comes last: it cannot stand in for a program of the image.
            f"ENV PATH={_PATH}:/home/jovyan/.local/bin LANG=C.UTF-8 SHELL=/bin/bash",
            f"LABEL {LABEL}version={plan.version} {LABEL}key={content}",
        ]
        engine.commit(container, plan.tag, changes)


def _remove_old(engine: Engine, kept: set[str]) -> None:
    """Free the disk of what this image has replaced."""
    engine.prune(f"{LABEL}key")
    for name in {tag for kind in kept for tag in engine.images(kind.partition(":")[0])} - kept:
        engine.untag(name)


def _home_files(directory: Path) -> list[Path]:
    return [file for file in files_of(directory) if file.suffix in {".ipynb", ".md", ".py"}]


@contextlib.contextmanager
def _container(engine: Engine, image: str, command: Sequence[str], network: str = "none") -> Iterator[str]:
    container = engine.create(image, command, network=network)
    try:
        yield container
    finally:
        engine.remove(container)


def _finish(engine: Engine, container: str, failure: str) -> str:
    ran = engine.run(container)
    if ran.status:
        raise ImageError(f"{failure}:\n{ran.output[-4000:]}")
    return ran.output
