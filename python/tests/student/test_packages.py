from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from classroom.student.packages import _runs_pip

CALL = "from classroom.student.packages import arrange; arrange(); import sys; "


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -m pip install numpy", True),
        ("python /opt/classroom/bin/pip install numpy", True),
        ("python /opt/classroom/bin/pip3.13 list", True),
        ("python -m pip_tools", False),
        ("python -m venv pip", False),
        ("python /home/jovyan/pipeline.py", False),
        ("python script.py -m pip", False),
        ("python", False),
    ],
)
def test_pip_is_recognized_by_its_command_line(command: str, expected: bool) -> None:  # noqa: FBT001
    assert _runs_pip(command.split()) is expected


def python(code: str, *options: str, home: Path) -> str:
    """Run code in this environment's Python, with a user site below `home`, and return its output."""
    user_site = f"import site, sys; site.USER_SITE = {str(home)!r}; sys.path.append({str(home)!r}); "
    command = [sys.executable, *options, "-c", user_site + CALL + code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_packages_of_the_home_come_before_the_images_and_after_the_standard_library(tmp_path: Path) -> None:
    code = "print(sys.path.index(site.USER_SITE) < min(i for i, p in enumerate(sys.path) if p.endswith('-packages')))"
    assert python(code, home=tmp_path) == "True"
    code = "import sysconfig; places = [sysconfig.get_path('stdlib'), site.USER_SITE]; "
    code += "print(sorted(places, key=sys.path.index) == places)"
    assert python(code, home=tmp_path) == "True"


def test_an_isolated_python_is_not_changed(tmp_path: Path) -> None:
    for option in ("-s", "-I"):
        assert python("print(sys.path[-1] == site.USER_SITE)", option, home=tmp_path) == "True"


def test_in_an_environment_of_nix_pip_gets_its_later_prefix(tmp_path: Path) -> None:
    code = "import os; os.environ['NIX_PYTHONPREFIX'] = '/opt/classroom'; sys.orig_argv = ['python', '-m', 'pip']; "
    code += "arrange(); print(sys.prefix, sys.base_prefix)"
    assert python(code, home=tmp_path) == "/opt/classroom /opt/classroom"
