"""Excel workbooks, streamed: one sheet, texts inline, numbers and booleans as what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from actorium.datasets.formats import NO_TABLE, Item, Table
from actorium.datasets.formats.cells import Cells, Kinds, texts
from actorium.datasets.formats.zipped import ZipStream
from actorium.kernel.limits import XLSX_CELL_CHARS_MAX

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="Items" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
_SHEET_BEGINNING = f'{_DECLARATION}<worksheet xmlns="{_MAIN}"><sheetData>\n'
_SHEET_END = "</sheetData></worksheet>"
_EXACT_MAX = 10**15
"""Excel keeps 15 digits; integers with more of them, such as ids, are written as texts."""
_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\t\n")
_CODED = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


class Xlsx:
    """``format=xlsx``"""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    extension = "xlsx"
    is_table = True

    def __init__(self) -> None:
        self._zip = ZipStream()
        self._cells = Cells(())
        self._letters: list[str] = []
        self._row = 1

    def begin(self, table: Table = NO_TABLE) -> bytes:
        self._cells = Cells(table.columns)
        self._letters = [_letters(at) for at in range(len(table.columns))]
        head = b"".join([self._zip.whole(name, (_DECLARATION + part).encode()) for name, part in _PARTS.items()])
        head += self._zip.open("xl/worksheets/sheet1.xml") + self._zip.write(_SHEET_BEGINNING.encode())
        return head + self._written([([heading], {str}) for heading in table.headings], count=1)

    def rows(self, items: Sequence[Item]) -> bytes:
        return self._written(list(self._cells.of(items)), count=len(items)) if items else b""

    def end(self) -> bytes:
        return self._zip.write(_SHEET_END.encode()) + self._zip.close() + self._zip.end()

    def _written(self, columns: Sequence[tuple[Sequence[Any], Kinds]], *, count: int) -> bytes:
        text = self._rows_text(columns, count=count, coded=False)
        written = text.encode()
        odd = len(written.translate(None, _CONTROLS)) != len(written)
        if odd or b"\xef\xbf\xbe" in written or b"\xef\xbf\xbf" in written:
            written = self._rows_text(columns, count=count, coded=True).encode()
        self._row += count
        return self._zip.write(written)

    def _rows_text(self, columns: Sequence[tuple[Sequence[Any], Kinds]], *, count: int, coded: bool) -> str:
        numbers = range(self._row, self._row + count)
        cells = [
            _column(values, kinds, letters=letters, numbers=numbers, coded=coded)
            for letters, (values, kinds) in zip(self._letters, columns, strict=True)
        ]
        rows = map("".join, zip(*cells, strict=True))
        return "".join([f'<row r="{number}">{row}</row>\n' for number, row in zip(numbers, rows, strict=True)])


def _column(values: Sequence[Any], kinds: Kinds, *, letters: str, numbers: range, coded: bool) -> list[str]:
    if kinds <= _TEXTS:
        words = _escaped(texts(values, kinds), coded=coded)
        return [
            f'<c r="{letters}{number}" t="inlineStr"><is><t xml:space="preserve">{word}</t></is></c>' if word else ""
            for number, word in zip(numbers, words, strict=True)
        ]
    if kinds == {float}:
        return [f'<c r="{letters}{number}"><v>{value}</v></c>' for number, value in zip(numbers, values, strict=True)]
    return [
        _cell(value, place=f"{letters}{number}", coded=coded) for number, value in zip(numbers, values, strict=True)
    ]


_TEXTS = frozenset((str, type(None)))


def _cell(value: Any, *, place: str, coded: bool) -> str:
    """One cell with what it holds. An empty one is left out: the others say where they are."""
    kind = type(value)
    if kind is float or (kind is int and -_EXACT_MAX < value < _EXACT_MAX):
        return f'<c r="{place}"><v>{value}</v></c>'
    if kind is bool:
        return f'<c r="{place}" t="b"><v>{value:d}</v></c>'
    if value is None or value == "":
        return ""
    [word] = _escaped([str(value)], coded=coded)
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{word}</t></is></c>'


def _escaped(values: Sequence[str], *, coded: bool) -> Sequence[str]:
    """Texts as XML holds them, cut to what fits a cell.

    coded: also write characters that XML cannot hold, as ``_x0007_``. What looks like such a code is always coded.
    """
    if max(map(len, values)) > XLSX_CELL_CHARS_MAX // 2:
        values = [_cut(value) for value in values]
    whole = "".join(values)
    if coded or "_x" in whole:
        values = [_CODED.sub(_code, value) for value in values]
    if "&" in whole or "<" in whole or ">" in whole:
        values = [value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for value in values]
    return values


def _code(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):04X}_"


def _cut(value: str) -> str:
    """As much of a text as fits a cell. Excel counts in UTF-16."""
    if len(value) <= XLSX_CELL_CHARS_MAX // 2:
        return value
    return value.encode("utf-16-le")[: 2 * XLSX_CELL_CHARS_MAX].decode("utf-16-le", "ignore")


def _letters(at: int) -> str:
    """The name of a column: A, ..., Z, AA, ..."""
    name = ""
    at += 1
    while at:
        at, digit = divmod(at - 1, 26)
        name = chr(ord("A") + digit) + name
    return name
