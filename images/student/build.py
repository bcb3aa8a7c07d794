"""The build of the students' image from the Dockerfile where containers have no network."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from images.student import debian, wheels
from images.student.common import REPOSITORY, ImageError, cache_directory, files_of, key, locked, remove_others

if TYPE_CHECKING:
    from collections.abc import Callable

    from images.student.docker import Docker

STEPS = 6
_HERE = Path(__file__).parent
_PACKAGES = _HERE / "packages.txt"
_BASE = "classroom-student-base:latest"


@dataclass(frozen=True)
class Plan:
    """What to build."""

    tag: str
    base_image: str | None
    lock: Path = REPOSITORY / "python/locks/student.txt"
    source: Path = REPOSITORY / "python/src/classroom"

    @property
    def version(self) -> str:
        """The version of this project."""
        text = (REPOSITORY / "python/src/classroom/__init__.py").read_text(encoding="utf-8")
        return str(re.findall(r'^__version__ = "(.+)"', text, re.MULTILINE)[0])

    @property
    def base_key(self) -> str:
        """The name of the base's content."""
        return self.base_image or key([debian.SUITE], {file.name: file for file in (_PACKAGES, _HERE / "debian.py")})

    @property
    def key(self) -> str:
        """The name of the image's content."""
        return key([self.base_key, self.version], self.context())

    def context(self, downloaded: Path | None = None) -> dict[str, Path]:
        """Return the files of the build context by their names, with the wheels in `downloaded`."""
        files = {f"images/student/{name}": _HERE / name for name in ("Dockerfile", "add-packages", "packages.txt")}
        files["python/locks/student.txt"] = self.lock
        for file in (self.source / "__init__.py", *files_of(self.source / "student")):
            files[f"python/src/classroom/{file.relative_to(self.source)}"] = file
        for wheel in downloaded.glob("*.whl") if downloaded else ():
            files[f"images/student/wheels/{wheel.name}"] = wheel
        return files


def build(plan: Plan, docker: Docker, report: Callable[[int, int, str], None]) -> bool:
    """Build the image if its content has changed, and return whether it had.

    Args:
        plan: what to build.
        docker: where.
        report: gets each step: its number, the number of steps, its description.

    Raises:
        ImageError: a step failed.
    """
    if not plan.lock.is_file():
        raise ImageError(f"{plan.lock} is missing: the image is built from it")
    docker.check()
    content = plan.key
    if docker.key(plan.tag) == content:
        return False
    base = [f"--build-arg=BASE_IMAGE={plan.base_image or _BASE}", "--file=images/student/Dockerfile"]
    with locked("student-image"):
        if plan.base_image is None and docker.key(_BASE) != plan.base_key:
            _import_base(plan, docker, report)
        report(2, STEPS, f"adding Debian packages to {plan.base_image}" if plan.base_image else "adding Python to it")
        network = "default" if plan.base_image else "none"
        image = docker.build(plan.context(), *base, "--target=venv", f"--network={network}")
        report(3, STEPS, "asking the image's Python which wheels fit")
        wanted = wheel_tags(docker, image, plan.lock)
        report(4, STEPS, "downloading the Python packages of the lock")
        context = plan.context(wheels.download_lock(wanted))
        base += ["--network=none", "--build-arg=PIP_NO_INDEX=1"]
        report(5, STEPS, "installing them")
        docker.build(context, *base, "--target=environment", "--tag=classroom-student-environment")
        report(6, STEPS, "adding the classroom package and the students' files")
        arguments = [f"--build-arg=VERSION={plan.version}", f"--build-arg=KEY={content}", f"--tag={plan.tag}"]
        docker.build(context, *base, *arguments)
        filters = ["--filter=dangling=true", "--filter=label=org.classroom.key"]
        docker.call("image", "prune", "--force", *filters, failure="replaced images cannot be removed")
    return True


def wheel_tags(docker: Docker, image: str, lock: Path) -> dict[str, Any]:
    """Return what pip needs to know of an image's Python, and the lines of the lock for it (`tags.tags`)."""
    program = ["--entrypoint=/opt/classroom/bin/python", image, "-c", (_HERE / "tags.py").read_text(encoding="utf-8")]
    with lock.open("rb") as stdin:
        failure = "the image's Python cannot be used"
        output = docker.call("run", "--rm", "--interactive", "--network=none", *program, failure=failure, stdin=stdin)
    tags: dict[str, Any] = json.loads(output)
    return tags


def make_base(plan: Plan) -> Path:
    """Return the root file system of the Debian that the image is built on; create it if necessary.

    Raises:
        ImageError: it cannot be made.
    """
    root = _base_root(plan)
    with locked(root.name):
        if not root.exists():
            debian.make_root(root, _PACKAGES.read_text(encoding="ascii").split())
            remove_others(root)
    return root


def _base_root(plan: Plan) -> Path:
    return cache_directory() / f"student-{plan.base_key}"


def _import_base(plan: Plan, docker: Docker, report: Callable[[int, int, str], None]) -> None:
    if not _base_root(plan).exists():
        report(1, STEPS, f"making Debian {debian.SUITE}")
    root = make_base(plan)
    report(1, STEPS, f"loading Debian {debian.SUITE} into the engine")
    docker.import_root(root, _BASE, plan.base_key)
