"""A sheet of slips to print and cut: whom for, the address, name and password or a code."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

# No script and no other file: it can be opened and printed on any machine, and holds passwords.
_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 8mm; background: #fff; color: #000; font: 10.5pt/1.4 system-ui, "DejaVu Sans", sans-serif; }
header { display: flex; justify-content: space-between; gap: 1rem; margin-bottom: 5mm; }
header h1 { font-size: 13pt; margin: 0; }
main { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); border: solid #888; border-width: 1px 0 0 1px; }
main { border-style: dashed; }
article { border: dashed #888; border-width: 0 1px 1px 0; padding: 4mm 5mm; break-inside: avoid; }
article h2 { font-size: 11pt; margin: 0 0 2mm; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .5mm 3mm; margin: 0; }
dt { color: #444; }
dd { margin: 0; overflow-wrap: anywhere; font-family: "DejaVu Sans Mono", ui-monospace, monospace; }
dd.strong { font-weight: 700; }
article p { margin: 2mm 0 0; font-size: 8.5pt; color: #444; }
@page { size: auto; margin: 10mm; }
@media print { body { margin: 0; } header { display: none; } }
"""

_STRONG = ' class="strong"'


@dataclass(frozen=True)
class Slip:
    """One person's piece of the sheet; the last row is the secret."""

    head: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sheet:
    """All of them."""

    title: str
    note: str
    """What stands at the foot of each slip."""
    slips: tuple[Slip, ...]


def render(sheet: Sheet) -> str:
    """The sheet as one HTML page."""
    count = len(sheet.slips)
    slips = "\n".join(_slip(slip, sheet) for slip in sheet.slips)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(sheet.title)}: {count} slips</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>{escape(sheet.title)}</h1>
<span>{count} slips; print, cut along the lines, then remove this file.</span></header>
<main>
{slips}
</main>
</body>
</html>
"""


def _slip(slip: Slip, sheet: Sheet) -> str:
    shown = [(label, value) for label, value in slip.rows if value]
    rows = "".join(
        f"<dt>{escape(label)}</dt><dd{_STRONG * (label == shown[-1][0])}>{escape(value)}</dd>" for label, value in shown
    )
    return f"<article><h2>{escape(slip.head)}</h2><dl>{rows}</dl><p>{escape(sheet.note)}</p></article>"
