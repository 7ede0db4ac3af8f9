"""Comma-separated values: nested values are spread over columns such as ``a/0/b``."""

from __future__ import annotations

from collections.abc import Sequence

from actorium.datasets.formats import NO_TABLE, Item, Table
from actorium.datasets.formats.cells import Cells, texts
from actorium.datasets.formats.json_texts import BOM
from actorium.kernel.errors import InvalidValue


class Csv:
    """``format=csv``, as RFC 4180 has it: CRLF ends a row, quotes stand where they are needed, doubled inside.

    The rows are those of the standard library's writer, at less than half its cost: texts that need no quotes are
    found a column at a time.
    """

    media_type = "text/csv; charset=utf-8"
    extension = "csv"
    is_table = True

    def __init__(self, *, bom: bool = True, delimiter: str = ",", header: bool = True) -> None:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise InvalidValue(
                "delimiter must be one character, and neither a quote nor a line end: for a tab, send %09."
            )
        self._bom = bom
        self._delimiter = delimiter
        self._header = header
        self._cells = Cells(())
        self._width = 0

    def begin(self, table: Table = NO_TABLE) -> bytes:
        self._cells = Cells(table.columns)
        self._width = len(table.columns)
        header = self._lines([self._quoted([heading]) for heading in table.headings]) if self._header else b""
        return BOM + header if self._bom else header

    def rows(self, items: Sequence[Item]) -> bytes:
        if not items:
            return b""
        return self._lines([self._quoted(texts(values, kinds)) for values, kinds in self._cells.of(items)])

    def end(self) -> bytes:
        return b""

    def _lines(self, columns: Sequence[Sequence[str]]) -> bytes:
        rows = map(self._delimiter.join, zip(*columns, strict=True))
        return ("\r\n".join(rows) + "\r\n").encode()

    def _quoted(self, values: Sequence[str]) -> Sequence[str]:
        delimiter = self._delimiter
        whole = "".join(values)
        if delimiter in whole or '"' in whole or "\n" in whole or "\r" in whole:
            values = [
                '"' + value.replace('"', '""') + '"'
                if delimiter in value or '"' in value or "\n" in value or "\r" in value
                else value
                for value in values
            ]
        # a row of one empty cell would be an empty line, which readers skip
        return values if self._width > 1 else [value or '""' for value in values]
