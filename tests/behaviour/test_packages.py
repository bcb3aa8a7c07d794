"""Packages that students install: they are kept, kernels find them, and the server process never loads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from behaviour.servers import CodeError, Server
from behaviour.test_gate import enter

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def own(new_student: Callable[[], Server]) -> Iterator[Server]:
    """Return a student for one test, with a running server, because installed packages stay in the home."""
    made = new_student()
    made.start()
    yield made
    made.stop()


def install(server: Server, package: str = "classroom-example==1.0") -> str:
    with server.kernel() as kernel:
        output = kernel.run(f"%pip install --upgrade {package}", bound=90)
        kernel.end()
    assert f"Successfully installed {package.replace('==', '-')}" in output, output
    assert "ERROR" not in output
    return output


def runs(server: Server, code: str) -> str:
    """Run code in a new kernel and return its output."""
    with server.kernel() as kernel:
        output: str = kernel.run(code, bound=90)
        kernel.end()
    return output


VERSION = "import classroom_example; print(classroom_example.VERSION)"


@pytest.mark.usefixtures("outside")
def test_an_installed_package_is_in_the_home_stays_there_and_can_be_removed(own: Server) -> None:
    install(own)
    with own.kernel() as kernel:
        assert kernel.run(VERSION) == "1.0\n"
        assert kernel.ask("classroom_example.__file__.startswith('/home/jovyan/.local/')") is True
    own.stop()
    own.start()
    assert runs(own, VERSION) == "1.0\n"
    assert "Successfully uninstalled" in runs(own, "%pip uninstall --yes classroom-example")
    with pytest.raises(CodeError, match="ModuleNotFoundError"):
        runs(own, VERSION)


@pytest.mark.usefixtures("outside")
def test_a_newer_version_takes_the_place_of_the_older_one(own: Server) -> None:
    install(own)
    assert "Successfully uninstalled classroom-example-1.0" in install(own, "classroom-example==2.0")
    assert runs(own, VERSION) == "2.0\n"
    assert runs(own, "!pip list 2>/dev/null | grep -c classroom-example").split() == ["1"]


@pytest.mark.usefixtures("outside")
def test_a_newer_version_of_an_image_package_takes_effect_and_can_be_removed(own: Server) -> None:
    version = "import jinja2; print(jinja2.__version__)"
    before = runs(own, version)
    install(own, "jinja2==99.0")
    assert runs(own, version) == "99.0\n"
    assert runs(own, "!python -c 'import jinja2; print(jinja2.__version__)'").split() == ["99.0"]
    assert "Successfully uninstalled" in runs(own, "%pip uninstall --yes jinja2")
    assert runs(own, version) == before


@pytest.mark.usefixtures("outside")
def test_a_package_that_prevents_kernels_from_starting_is_reported_and_can_be_removed(own: Server) -> None:
    install(own, "traitlets==5.99")
    own.stop()
    own.start()
    with own.kernel() as kernel:
        output = kernel.run("%pip uninstall --yes traitlets", bound=90)
        assert "traitlets 5.99 is of no use" in output, output
        assert "Successfully uninstalled traitlets-5.99" in output, output
    assert runs(own, "import traitlets, sys; print(traitlets.__version__ > '4', sys.flags.no_user_site)") == "True 0\n"


@pytest.mark.usefixtures("outside")
def test_a_missing_package_is_reported(own: Server) -> None:
    with own.kernel() as kernel:
        assert "No matching distribution found for no-such-thing" in kernel.run("%pip install no-such-thing", bound=90)


@pytest.mark.usefixtures("outside")
def test_a_widget_of_an_installed_package_is_drawn(
    own: Server, url: str, browser: Browser, contexts: list[BrowserContext]
) -> None:
    said = install(own, "classroom-widget==1.0")
    assert "Reload this page in the browser" in said
    assert "the part of classroom_widget that belongs into the server does not work" in said
    output = {"output_type": "display_data", "metadata": {}, "data": {"application/x-classroom": "hello"}}
    cell = {"cell_type": "code", "id": "a", "execution_count": 1, "metadata": {}, "source": "1", "outputs": [output]}
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    assert own.put("api/contents/widget.ipynb", json={"type": "notebook", "content": content}).status_code == 201
    contexts.append(browser.new_context(base_url=url))
    page = contexts[-1].new_page()
    enter(page, own.name, next_url=f"{own.base}lab/tree/widget.ipynb")
    expect(page.get_by_text("drawn: hello")).to_be_visible(timeout=60_000)


# Each runs a Python that may load files from directories where a student can write.
CODE = [
    "{site}/sitecustomize.py",
    "{site}/usercustomize.py",
    "{site}/evil.pth",
    "{site}/jupyter_server/__init__.py",
    "{site}/tornado/__init__.py",
    "{site}/evil_extension.py",
    "/home/jovyan/jupyterhub/__init__.py",
    "/home/jovyan/json.py",
    "/home/jovyan/jupyter_server_config.py",
    "/home/jovyan/.jupyter/jupyter_server_config.py",
    "/home/jovyan/.jupyter/jupyter_config.py",
    "/home/jovyan/.jupyter/jupyterhub_singleuser_config.py",
    "/home/jovyan/.local/etc/jupyter/jupyter_server_config.py",
]
ENABLE = '{"ServerApp": {"jpserver_extensions": {"evil_extension": true}}}'
ENABLED = ["/home/jovyan/.jupyter", "/home/jovyan/.local/etc/jupyter"]
PLANT = """
import pathlib
def plant(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
"""


def test_the_server_loads_no_package_of_the_home_and_kernels_do(own: Server) -> None:
    with own.kernel() as kernel:
        kernel.run(PLANT)
        site = kernel.ask("__import__('site').getusersitepackages()")
        for path in (template.format(site=site) for template in CODE):
            mark = f"import os; os.close(os.open('/home/jovyan/loaded-' + {path!r}.replace('/', '-'), os.O_CREAT))\n"
            kernel.run(f"plant({path!r}, {mark!r})")
        for folder in ENABLED:
            for name in ("jupyter_server_config.json", "jupyter_server_config.d/evil.json"):
                kernel.run(f"plant({folder + '/' + name!r}, {ENABLE!r})")
    own.stop()
    own.start()

    def loaded() -> list[str]:
        names = [entry["name"] for entry in own.get("api/contents/").json()["content"]]
        return [file for file in names if file.startswith("loaded-")]

    assert loaded() == []
    with own.kernel() as kernel:
        output = kernel.run("1 + 1")
        assert output.endswith("2")
        assert "No module named 'tornado.ioloop'" in output  # the planted module is empty: a kernel loads it
    assert any(file.endswith("evil.pth") for file in loaded()), "no kernel loads the file, so the test is void"


@pytest.mark.attack(71)
def test_a_variable_that_a_student_sets_reaches_no_server(own: Server) -> None:
    with own.kernel() as kernel:
        kernel.run(
            "import pathlib\n"
            "for name in ('.profile', '.bashrc', '.bash_profile', '.env', '.pam_environment'):\n"
            "    pathlib.Path('/home/jovyan', name).write_text('touch /home/jovyan/loaded; export EVIL=1\\n')"
        )
    own.stop()
    own.start()
    assert own.get("api/contents/loaded").status_code == 404
    with own.kernel() as kernel:
        assert kernel.run("!cat /proc/$PPID/environ | tr '\\0' '\\n' | grep EVIL; true") == ""
