"""Program that prints a notebook as PDF: `python -I -m classroom.student.pdf DIRECTORY TITLE < NOTEBOOK > FILE`.

nbconvert writes HTML, ziamath draws the formulas, WeasyPrint makes pages of it. LaTeX would do the same with gigabytes,
and a browser with hundreds of megabytes. It is a program of its own, without the logins of the server: what it reads is
what the student may read.
"""

from __future__ import annotations

import base64
import html
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import weasyprint
import ziamath
from nbconvert.exporters import html as html_exporter
from nbconvert.filters.markdown_mistune import IPythonRenderer
from pygments.formatters import HtmlFormatter

_STYLE = Path(__file__).with_name("pdf.css")
_DELIMITERS = re.compile(r"^\s*(\$\$|\$|\\\[|\\\()?(.*?)(\$\$|\$|\\\]|\\\))?\s*$", re.DOTALL)
_NO_LETTERS = re.compile(r"\\(tag|label)\{[^}]*\}|\\(notag|nonumber|displaystyle)\b")


def formula(source: str, *, block: bool) -> str:
    """Return HTML of a formula: a picture, or its source where ziamath cannot draw it."""
    try:
        picture = ziamath.Latex(_NO_LETTERS.sub("", source).strip(), size=14, inline=not block).svg()
    except Exception:  # noqa: BLE001 - it has no class of errors
        return f'<code class="formula">{html.escape(source)}</code>'
    # Its viewBox has the base line at 0.
    _, top, _, height = (float(number) for number in re.findall(r'viewBox="([^"]+)"', picture)[0].split())
    data = base64.b64encode(picture.encode()).decode()
    place = "display: block; margin: 6pt auto" if block else f"vertical-align: {-top - height:.1f}px"
    return f'<img style="{place}" alt="{html.escape(source)}" src="data:image/svg+xml;base64,{data}">'


class Renderer(IPythonRenderer):
    """nbconvert's renderer of Markdown with drawn formulas."""

    def block_math(self, body: str) -> str:
        """Return a formula between `$$`."""
        return formula(body, block=True)

    def inline_math(self, body: str) -> str:
        """Return a formula between `$`."""
        return formula(body, block=False)

    def latex_environment(self, name: str, body: str) -> str:
        """Return an environment of LaTeX, such as `align`."""
        inner = (
            body
            if name.rstrip("*") in {"equation", "math", "displaymath"}
            else f"\\begin{{{name}}}{body}\\end{{{name}}}"
        )
        return formula(inner, block=True)


def draw_outputs(notebook: Any) -> None:  # noqa: ANN401 - nbformat's
    """Replace LaTeX in outputs, such as SymPy's, by pictures."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/latex" in data and "text/html" not in data:
                found = _DELIMITERS.match(data.pop("text/latex"))
                data["text/html"] = formula(found[2] if found else "", block=True)


def convert(text: str, directory: Path, title: str) -> bytes:
    """Return the PDF file of a notebook.

    Args:
        text: the notebook, as JSON.
        directory: where its pictures are.
        title: of the PDF file.
    """
    notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    draw_outputs(notebook)
    html_exporter.IPythonRenderer = Renderer  # type: ignore[attr-defined]
    exporter = html_exporter.HTMLExporter(template_name="basic")  # type: ignore[no-untyped-call]
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"path": str(directory)}})
    style = HtmlFormatter().get_style_defs(".highlight") + _STYLE.read_text(encoding="utf-8")
    page = f"<title>{html.escape(title)}</title><style>{style}</style>{body}"
    made: bytes = weasyprint.HTML(string=page, base_url=f"{directory}/").write_pdf()
    return made


def main() -> None:
    """Convert standard input to standard output."""
    sys.stdout.buffer.write(convert(sys.stdin.read(), Path(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
