"""The steps that run inside the image, with the image's own Python and without a network.

This file is copied into a container and started there; it imports nothing of this project.
"""

from __future__ import annotations

import ensurepip
import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

WORK = Path("/tmp/classroom-image")
ENVIRONMENT = Path("/opt/classroom")
HOME = Path("/home/jovyan")
UID, GID = 1000, 100


def tags(lock: str) -> dict[str, object]:
    """What pip elsewhere has to be told to download wheels for this Python, and the lines of `lock` that hold here."""
    _borrow_pip()
    from pip._vendor.packaging.requirements import Requirement  # noqa: PLC0415 - found by the line above
    from pip._vendor.packaging.tags import sys_tags  # noqa: PLC0415

    kept = []
    for line in lock.replace("\\\n", " ").splitlines():
        text, *hashes = line.partition("#")[0].split(" --hash=")
        if not text.strip():
            continue
        requirement = Requirement(text.strip())
        if requirement.marker is None or requirement.marker.evaluate():
            requirement.marker = None
            kept.append(" --hash=".join([str(requirement), *(part.strip() for part in hashes)]))
    known = list(sys_tags())
    return {
        "python": sysconfig.get_python_version(),
        "platforms": list(dict.fromkeys(tag.platform for tag in known if tag.platform != "any")),
        "abis": list(dict.fromkeys(tag.abi for tag in known)),
        "requirements": "\n".join(kept) + "\n",
    }


def make_user() -> None:
    """User jovyan, 1000:100 as in the Jupyter Docker Stacks; a base image's own user 1000 is renamed."""
    try:
        owner = pwd.getpwuid(UID).pw_name
    except KeyError:
        command = ["useradd", "--no-create-home", "--uid", str(UID), "jovyan"]
    else:
        command = ["usermod", "--login", "jovyan", owner]
    if command[-1] != "jovyan" or command[0] == "useradd":
        _run(
            [
                *command[:1],
                "--gid",
                str(GID),
                "--home-dir" if command[0] == "useradd" else "--home",
                str(HOME),
                "--shell",
                "/bin/bash",
                *command[1:],
            ]
        )
    HOME.mkdir(parents=True, exist_ok=True)
    os.chown(HOME, UID, GID)


def make_environment() -> None:
    """The Python environment of the server and of kernels, from the wheels in the work folder.

    The system's site-packages are visible: pip then installs with --user into a home instead of refusing to.
    """
    _run([sys.executable, "-m", "venv", "--system-site-packages", str(ENVIRONMENT)])
    python = str(ENVIRONMENT / "bin/python")
    _run(
        [
            python,
            "-m",
            "pip",
            "install",
            "--no-index",
            "--find-links",
            str(WORK / "wheels"),
            "--no-deps",
            "--require-hashes",
            "--no-compile",
            "--disable-pip-version-check",
            "--quiet",
            "--root-user-action",
            "ignore",
            "-r",
            str(WORK / "requirements.txt"),
        ]
    )
    compile_all(ENVIRONMENT)


def arrange_packages() -> None:
    """Have `classroom.student.packages` called at every start of the environment's Python.

    The file is beside the system's packages, which are looked at last: by then the home is among the places for
    packages.
    """
    system = str(Path(sys.executable).resolve())
    folder = Path(_read([system, "-c", "import site; print(site.getsitepackages()[0])"]))
    folder.mkdir(parents=True, exist_ok=True)
    call = '__import__("classroom.student.packages", fromlist=["packages"]).arrange()'
    (folder / "classroom-packages.pth").write_text(f'import sys; sys.prefix == "{ENVIRONMENT}" and {call}\n')


def compile_all(directory: Path) -> None:
    """Bytecode beside the sources; unchecked, because nobody changes a source below a read-only root."""
    subprocess.run(  # a file of a package's own tests may be no valid Python; that is no reason to stop
        [
            str(ENVIRONMENT / "bin/python"),
            "-m",
            "compileall",
            "-q",
            "-q",
            "-j",
            "0",
            "--invalidation-mode",
            "unchecked-hash",
            str(directory),
        ],
        check=False,
    )


def _borrow_pip() -> None:
    """Make pip importable from the wheel that venv puts into new environments (PEP 453)."""
    places = [Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")]
    if directory := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        places.insert(0, Path(directory))
    for place in places:
        for wheel in sorted(place.glob("pip-*.whl")):
            sys.path.insert(0, str(wheel))
            return
    raise SystemExit("this image's Python cannot make environments: install its venv module (python3-venv)")


def _read(command: list[str]) -> str:
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}")


def main() -> None:
    """Run the step that the first argument names, then leave no trace of it but its result."""
    step = sys.argv[1]
    if step == "tags":
        sys.stdout.write(json.dumps(tags((WORK / "lock.txt").read_text())))
    elif step == "environment":
        make_user()
        make_environment()
    elif step == "package":
        purelib = _read(
            [str(ENVIRONMENT / "bin/python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        )
        shutil.copytree(WORK / "site", purelib, dirs_exist_ok=True)
        compile_all(Path(purelib) / "classroom")
        arrange_packages()
    shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
