from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab")
pytest.importorskip("jupyterhub")

IMPORT = """
import sys
from classroom.student import import_stubs
with import_stubs.stubbed_imports():
    import classroom.student.server
import_stubs.disable_lab_builds()
import jupyterlab.labapp
{check}
"""


def run(check: str, environment: dict[str, str] | None = None) -> str:
    command = [sys.executable, "-I", "-c", IMPORT.format(check=check)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_the_server_is_imported_without_the_hub_and_its_database() -> None:
    heavy = ("sqlalchemy", "alembic", "jupyterhub.app", "jupyterhub.handlers.base", "pydantic", "rfc3987_syntax")
    assert run(f"print([name for name in {heavy} if name in sys.modules])") == "[]\n"


def test_the_stubs_are_gone_afterwards() -> None:
    check = "import sqlalchemy, jupyterhub.orm; print(sqlalchemy.__version__[0], jupyterhub.orm.User.__name__)"
    assert run(check) == "2 User\n"


def test_no_module_of_the_hubs_side_is_imported() -> None:
    check = "print(sorted(name for name in sys.modules if name.startswith('classroom') and 'student' not in name))"
    assert run(check) == "['classroom']\n"


def test_the_server_uses_the_classes_of_this_package(tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "r"),
        "JUPYTERHUB_API_TOKEN": "x",
        "JUPYTERHUB_API_URL": "http://127.0.0.1:1/hub/api",
        "JUPYTERHUB_CLIENT_ID": "x",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/x/",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:0/user/x/",
    }
    check = """
app = classroom.student.server.StudentServer.initialize_server(argv=[])
parts = [app, app.identity_provider, app.identity_provider.hub_auth, app.contents_manager]
parts += [app.kernel_manager, app.kernel_spec_manager, app.web_app.settings["terminal_manager"]]
print(*(type(part).__name__ for part in parts))
"""
    assert run(check, environment).split() == [
        "StudentServerApp",
        "StudentIdentityProvider",
        "CachingHubOAuth",
        "StudentContentsManager",
        "StudentKernelManager",
        "StudentKernelSpecManager",
        "StudentTerminalManager",
    ]
