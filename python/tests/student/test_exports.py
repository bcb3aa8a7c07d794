"""Formats of "Save and Export"."""

from __future__ import annotations

import base64
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("jupyterlab")

from classroom.student.exports import has_latex, offered

if TYPE_CHECKING:
    from student.student_site import Server


def test_formats_that_need_a_missing_program_are_not_offered() -> None:
    assert {"html", "markdown", "notebook", "python", "script", "slides"} <= set(offered())
    assert ("pdf" in offered()) is (has_latex() or find_spec("weasyprint") is not None)
    assert ("latex" in offered()) is has_latex()
    assert not {"qtpdf", "qtpng"} & set(offered())


def test_a_pdf_file_has_formulas_pictures_and_other_scripts(server: Server) -> None:
    for module in ("weasyprint", "ziamath"):
        pytest.importorskip(module)
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    (server.home / "dot.png").write_bytes(base64.b64decode(picture))
    text = "# Zwölf 十二 😀\n$E=mc^2$\n\n$$\\frac{1}{2}$$\n\n\\begin{align}a&=b\\end{align}\n\n![](dot.png) $\\left($"
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {"text/latex": "$\\displaystyle x^2$"}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": picture}},
        {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["\x1b[31mE\x1b[39m: x"]},
    ]
    code = {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": "print(1)", "outputs": outputs}
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text}, code]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (server.home / "print me.ipynb").write_text(json.dumps(notebook))
    answer = server.get("nbconvert/pdf/print me.ipynb?download=true")
    assert answer.content.startswith(b"%PDF-")
    assert "print%20me.pdf" in answer.headers["Content-Disposition"]
