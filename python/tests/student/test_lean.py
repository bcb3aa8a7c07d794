from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("jupyterlab")
pytest.importorskip("jupyterhub")

IMPORT = """
import sys
from classroom.student import lean
with lean.stand_ins():
    import classroom.student.server
lean.no_builds()
import jupyterlab.labapp
{check}
"""


def run(check: str) -> str:
    command = [sys.executable, "-I", "-c", IMPORT.format(check=check)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_server_is_imported_without_the_hub_and_its_database() -> None:
    heavy = ("sqlalchemy", "alembic", "jupyterhub.app", "jupyterhub.handlers.base", "pydantic", "rfc3987_syntax")
    assert run(f"print([name for name in {heavy} if name in sys.modules])") == "[]\n"


def test_the_stand_ins_are_gone_afterwards() -> None:
    check = "import sqlalchemy, jupyterhub.orm; print(sqlalchemy.__version__[0], jupyterhub.orm.User.__name__)"
    assert run(check) == "2 User\n"


def test_nothing_of_the_hub_side_is_imported() -> None:
    check = "print(sorted(name for name in sys.modules if name.startswith('classroom') and 'student' not in name))"
    assert run(check) == "['classroom']\n"
