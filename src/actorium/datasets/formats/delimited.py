"""Comma-separated values: nested values are spread over columns such as ``a/0/b``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import msgspec

from actorium.datasets.formats import Item
from actorium.datasets.formats.json_texts import BOM
from actorium.datasets.transform import spread
from actorium.kernel.errors import InvalidValue


class Csv:
    """``format=csv``"""

    media_type = "text/csv; charset=utf-8"
    extension = "csv"
    needs_columns = True

    def __init__(self, *, bom: bool = True, delimiter: str = ",", header: bool = True) -> None:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise InvalidValue(
                "delimiter must be one character, and neither a quote nor a line end: for a tab, send %09."
            )
        self._bom = bom
        self._delimiter = delimiter
        self._header = header
        self._columns: list[str] = []

    def begin(self, columns: list[str]) -> bytes:
        self._columns = columns
        header = self._written([columns]) if self._header else b""
        return BOM + header if self._bom else header

    def rows(self, items: Iterable[Item]) -> bytes:
        columns = self._columns
        spreads = (spread(item, separator="/", lists=True) for item in items)
        return self._written([cell(item.get(column)) for column in columns] for item in spreads)

    def end(self) -> bytes:
        return b""

    def _written(self, rows: Iterable[list[str]]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter).writerows(rows)
        return text.getvalue().encode()


def cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
