"""What the students' image offers: packages, programs, languages, and the ports of a student's own programs."""

from __future__ import annotations

import json
import os

import pytest

from behaviour.people import Visitor
from behaviour.servers import Kernel, Server
from classroom.hub.time_zone import machine_zone

PACKAGES = [
    "anywidget",
    "ipympl",
    "jupyterlab_git",
    "matplotlib",
    "nbgitpuller",
    "numpy",
    "pandas",
    "plotly",
    "scipy",
    "sklearn",
    "tqdm",
]
PROGRAMS = ["curl", "gcc", "git", "less", "make", "nano", "ssh", "unzip", "zip"]
IN_JUPYTERLAB = {
    "@jupyter-server/resource-usage",
    "@jupyter-widgets/jupyterlab-manager",
    "@jupyterhub/jupyter-server-proxy",
    "@jupyterlab/git",
    "anywidget",
    "jupyter-matplotlib",
    "jupyterlab-plotly",
}

# Answers with the headers of the request.
SERVE = """
import http.server, json, threading
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
web = http.server.HTTPServer(("127.0.0.1", 0), Echo)
threading.Thread(target=web.serve_forever, daemon=True).start()
print(web.server_port)
"""


def test_packages_of_a_course_are_there(kernel: Kernel) -> None:
    kernel.run(f"import {', '.join(PACKAGES)}", bound=90)


@pytest.mark.needs("programs")
def test_programs_of_a_course_are_there(kernel: Kernel) -> None:
    assert kernel.ask(f"[p for p in {PROGRAMS} if not __import__('shutil').which(p)]") == []
    kernel.run("open('hello.c', 'w').write('#include <stdio.h>\\nint main(void) { puts(\"hello\"); }\\n')")
    assert kernel.run("!make -s hello && ./hello && rm hello hello.c").split() == ["hello"]


def test_jupyterlab_has_widgets_git_and_other_languages(mine: Server) -> None:
    page = mine.get("lab").text
    text = page.partition('<script id="jupyter-config-data" type="application/json">')[2].partition("</script>")[0]
    assert {extension["name"] for extension in json.loads(text)["federated_extensions"]} >= IN_JUPYTERLAB
    languages = mine.get("lab/api/translations").json()["data"]
    assert {"de_DE", "fr_FR", "ja_JP", "zh_CN"} < set(languages)
    assert mine.get("lab/api/translations/de_DE").json()["data"]["jupyterlab"]


@pytest.mark.attack(100)
def test_a_port_of_an_own_program_opens_for_its_owner_and_leads_nowhere_else(
    mine: Server, kernel: Kernel, student: Visitor, outside: dict[str, str]
) -> None:
    port = kernel.run(SERVE).strip()
    answer = mine.get(f"proxy/{port}/")
    assert answer.status_code == 200, answer.text
    assert "jupyterhub-" not in json.dumps(answer.json())
    for host in (outside["internet"], outside["metadata"], "127.0.0.2"):
        assert mine.get(f"proxy/{host}:80/").status_code == 403
    assert student.get(f"{mine.base}proxy/{port}/").status_code == 403


@pytest.mark.needs("programs")
def test_each_format_of_the_export_menu_gives_a_file(mine: Server) -> None:
    notebook = json.loads(mine.get("files/Welcome.ipynb").text)
    text = "# 十二 😀\n$E=mc^2$\n\n\\begin{align}a&=b\\end{align}"
    notebook["cells"].append({"cell_type": "markdown", "id": "formula", "metadata": {}, "source": text})
    assert mine.put("api/contents/menu.ipynb", json={"type": "notebook", "content": notebook}).status_code == 201
    formats = mine.get("api/nbconvert").json()
    assert {"html", "markdown", "pdf", "script", "slides"} <= formats.keys()
    for name in formats.keys() - {"custom"}:
        answer = mine.get(f"nbconvert/{name}/menu.ipynb", params={"download": "true"}, timeout=120)
        assert answer.status_code == 200, (name, answer.text)
        assert len(answer.content) > 100, name
        assert (name == "pdf") is answer.content.startswith(b"%PDF-")


@pytest.mark.needs("programs")
def test_plots_draw_chinese(kernel: Kernel) -> None:
    kernel.run(
        "import warnings; warnings.simplefilter('error')\n"
        "import matplotlib.pyplot as plt; plt.title('成绩 結果 결과'); plt.savefig('/tmp/plot.png')",
        bound=90,
    )


def test_the_clock_is_the_machines(kernel: Kernel) -> None:
    assert kernel.ask("__import__('os').environ.get('TZ', '')") == machine_zone(os.environ)
