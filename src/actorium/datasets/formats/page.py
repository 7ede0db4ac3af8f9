"""HTML: one table, nested values spread over columns as in CSV."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from actorium.datasets.formats import NO_TABLE, Item, Table
from actorium.datasets.formats.cells import Cells, texts
from actorium.datasets.formats.json_texts import BOM

_BEGINNING = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Dataset</title></head>
<body><table border="1">
<thead><tr>{header}</tr></thead>
<tbody>
"""


class Html:
    """``format=html``"""

    media_type = "text/html; charset=utf-8"
    extension = "html"
    is_table = True

    def __init__(self, *, bom: bool = False) -> None:
        self._bom = BOM if bom else b""
        self._cells = Cells(())

    def begin(self, table: Table = NO_TABLE) -> bytes:
        self._cells = Cells(table.columns)
        header = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
        return self._bom + _BEGINNING.format(header=header).encode()

    def rows(self, items: Sequence[Item]) -> bytes:
        if not items:
            return b""
        columns = [_escaped(texts(values, kinds)) for values, kinds in self._cells.of(items)]
        rows = map("</td><td>".join, zip(*columns, strict=True))
        return ("<tr><td>" + "</td></tr>\n<tr><td>".join(rows) + "</td></tr>\n").encode()

    def end(self) -> bytes:
        return b"</tbody></table></body></html>\n"


def _escaped(values: Sequence[str]) -> Sequence[str]:
    whole = "".join(values)
    if "&" in whole or "<" in whole or ">" in whole or '"' in whole or "'" in whole:
        return [escape(value) for value in values]
    return values
