"""Excel workbooks, read back by two readers that share no code."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from unittest.mock import patch

import msgspec
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from actorium.datasets.formats import Table
from actorium.datasets.formats.xlsx import Xlsx
from actorium.datasets.formats.zipped import ZipStream
from dataset_oracles import columns_of, row_of

SHEET = "xl/worksheets/sheet1.xml"


def written(items: list[dict[str, Any]], columns: list[str], *, size: int = 2) -> bytes:
    writer = Xlsx()
    pieces = [writer.begin(Table(tuple(columns), tuple(columns))), writer.rows([])]
    pieces += [writer.rows(items[first : first + size]) for first in range(0, len(items), size)]
    return b"".join([*pieces, writer.end()])


def by_openpyxl(book: bytes) -> list[list[Any]]:
    [sheet] = openpyxl.load_workbook(io.BytesIO(book)).worksheets
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def by_calamine(book: bytes) -> list[list[Any]]:
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_index(0)
    return [list(row) for row in sheet.to_python(skip_empty_area=False)]


def told(value: Any) -> Any:
    """What a cell holds."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**15:
        return str(value)
    return None if value == "" else value


def padded(rows: list[list[Any]], *, empty: Any, count: int, width: int) -> list[list[Any]]:
    """Readers leave out what is empty at the end."""
    rows = [[*row, *[empty] * (width - len(row))] for row in rows]
    return rows + [[empty] * width] * (count - len(rows))


TEXTS = st.text(st.characters(min_codepoint=32, codec="utf-8", exclude_characters="\ufffe\uffff\r"), max_size=5)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | TEXTS
    | st.sampled_from(["=1+1", " spaced ", "two\nlines", "<&>\"'", "true", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
ITEMS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "a/0", "<c&>"]), VALUES, max_size=4), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=30)
@given(items=ITEMS, size=st.integers(1, 5))
def test_two_readers_find_the_items(items: list[dict[str, Any]], size: int) -> None:
    columns = columns_of(items) or ["none"]
    book = written(items, columns, size=size)
    rows = [columns, *([told(row_of(item).get(column)) for column in columns] for item in items)]
    count, width = len(rows), len(columns)
    found = padded(by_openpyxl(book), empty=None, count=count, width=width)
    assert found == rows
    assert [list(map(type, row)) for row in found] == [
        [
            int if isinstance(cell, float) and type(other) is int else type(cell)
            for cell, other in zip(row, line, strict=True)
        ]
        for row, line in zip(rows, found, strict=True)
    ]
    other = padded(by_calamine(book), empty="", count=count, width=width)
    assert other == [["" if cell is None else cell for cell in row] for row in rows]
    assert [[isinstance(cell, bool) for cell in row] for row in other] == [
        [isinstance(cell, bool) for cell in row] for row in rows
    ]


def test_texts_are_never_formulas_and_long_numbers_stay_whole() -> None:
    book = written([{"f": "=HYPERLINK(1)", "id": 12345678901234567890, "n": 10**15 - 1}], ["f", "id", "n"])
    assert by_openpyxl(book)[1] == ["=HYPERLINK(1)", "12345678901234567890", 999_999_999_999_999]
    [sheet] = openpyxl.load_workbook(io.BytesIO(book)).worksheets
    assert sheet["A2"].data_type in ("s", "inlineStr")


def test_characters_that_xml_cannot_hold_are_coded() -> None:
    texts = ["bell\x07", "return\r", "looks like _x0007_", "_x", "plain", "odd\ufffe"]
    book = written([{"t": text} for text in texts], ["t"], size=6)
    sheet = zipfile.ZipFile(io.BytesIO(book)).read(SHEET).decode()
    for coded in ("bell_x0007_<", "return_x000D_<", "odd_xFFFE_<", "looks like _x005F_x0007_<", ">_x<", ">plain<"):
        assert coded in sheet
    found = [row[0] for row in by_calamine(book)[1:]]
    assert found[:-1] == texts[:-1], "a reader that knows the codes of control characters undoes them"


@pytest.mark.parametrize(("char", "kept"), [("x", 32_767), ("😀", 16_383)])
def test_long_texts_are_cut(char: str, kept: int) -> None:
    book = written([{"t": char * 40_000, "u": [char * 40_000, 1]}], ["t", "u/0", "u/1"])
    assert by_openpyxl(book)[1] == [char * kept, char * kept, 1]


def test_columns_have_the_names_of_excel() -> None:
    columns = [f"c{at}" for at in range(2000)]
    book = written([{"c0": 0, "c26": 26, "c702": 702, "c1999": 1999}], columns)
    [sheet] = openpyxl.load_workbook(io.BytesIO(book)).worksheets
    assert {place: sheet[place].value for place in ("A2", "AA2", "AAA2", "BXX2")} == {
        "A2": 0, "AA2": 26, "AAA2": 702, "BXX2": 1999,
    }  # fmt: skip


def test_rows_are_numbered_over_pieces() -> None:
    items = [{"n": n} for n in range(7)]
    assert by_calamine(written(items, ["n"], size=3)) == [["n"], *([float(n)] for n in range(7))]


# The ZIP file


def test_a_zip_file_is_a_zip_file() -> None:
    stream = ZipStream()
    parts = [stream.whole("é/one.txt", b"one" * 1000), stream.open("two"), stream.write(b"a"), stream.write(b"b")]
    parts += [stream.close(), stream.whole("empty", b""), stream.end()]
    book = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    assert book.testzip() is None
    assert {name: book.read(name) for name in book.namelist()} == {
        "é/one.txt": b"one" * 1000,
        "two": b"ab",
        "empty": b"",
    }


@pytest.mark.parametrize("fits", [1, 40, 200])
def test_large_files_have_the_large_form(fits: int) -> None:
    """What is 4 GiB in life is some bytes here."""
    with patch("actorium.datasets.formats.zipped._FITS", fits):
        stream = ZipStream()
        content = b"".join([stream.whole("one", b"x" * 50), stream.whole("two", b"yz" * 50)])
        directory = stream.end()
    if fits < 100:  # a reader believes the short form's place of the directory unless it is all ones
        directory = directory[:-6] + b"\xff\xff\xff\xff" + directory[-2:]
    book = zipfile.ZipFile(io.BytesIO(content + directory))
    assert (book.read("one"), book.read("two")) == (b"x" * 50, b"yz" * 50)


def test_the_same_items_make_the_same_file() -> None:
    items = [msgspec.json.decode(b'{"a":1,"b":[true,"x"]}')]
    columns = ["a", "b/0", "b/1"]
    assert written(items, columns) == written(items, columns)
