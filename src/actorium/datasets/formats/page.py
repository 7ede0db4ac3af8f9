"""HTML: one table, nested values spread over columns as in CSV."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from actorium.datasets.formats import Item
from actorium.datasets.formats.delimited import cell
from actorium.datasets.formats.json_texts import BOM
from actorium.datasets.transform import spread

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
    needs_columns = True

    def __init__(self, *, bom: bool = False) -> None:
        self._bom = BOM if bom else b""
        self._columns: list[str] = []

    def begin(self, columns: list[str]) -> bytes:
        self._columns = columns
        header = "".join(f"<th>{escape(column)}</th>" for column in columns)
        return self._bom + _BEGINNING.format(header=header).encode()

    def rows(self, items: Iterable[Item]) -> bytes:
        return "".join(self._row(spread(item, separator="/", lists=True)) for item in items).encode()

    def end(self) -> bytes:
        return b"</tbody></table></body></html>\n"

    def _row(self, item: Item) -> str:
        cells = "".join(f"<td>{escape(cell(item.get(column)))}</td>" for column in self._columns)
        return f"<tr>{cells}</tr>\n"
