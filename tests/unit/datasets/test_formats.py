"""Items as files, read back by other readers and compared with the plain definition."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.datasets.formats import Table, Writer
from actorium.datasets.formats.delimited import Csv
from actorium.datasets.formats.json_texts import JsonArray, JsonLines
from actorium.datasets.formats.markup import Rss, Xml
from actorium.datasets.formats.page import Html
from actorium.kernel.errors import InvalidInput, InvalidValue
from dataset_oracles import ITEMS as ANY_ITEMS
from dataset_oracles import columns_of, csv_of, rows_in, text_of, texts_of

ITEMS: list[dict[str, Any]] = [
    {"name": 'Anna "A"', "text": "two\nlines, comma", "n": 1.5, "nested": {"deep": [True, None]}},
    {"name": "Żółć <b>&amp;</b>", "other": 12345678901234567890123, "empty": []},
]
COLUMNS = ["name", "text", "n", "nested/deep/0", "nested/deep/1", "other"]
SPLITS = st.integers(1, 4)


def written(
    writer: Writer, columns: list[str] | None = None, *, items: list[dict[str, Any]] = ITEMS, size: int = 1
) -> bytes:
    names = tuple(columns or ())
    pieces = [writer.begin(Table(names, names)), writer.rows([])]
    pieces += [writer.rows(items[first : first + size]) for first in range(0, len(items), size)]
    return b"".join([*pieces, writer.end()])


def test_json_and_lines_are_the_same_items() -> None:
    assert msgspec.json.decode(written(JsonArray())) == ITEMS
    assert written(JsonArray()).count(b",\n") == len(ITEMS) - 1
    assert [msgspec.json.decode(line) for line in written(JsonLines()).splitlines()] == ITEMS
    assert written(JsonArray(bom=True)).startswith(b"\xef\xbb\xbf[")
    writer = JsonArray()
    assert writer.begin() + writer.rows([]) + writer.copied(b"") + writer.end() == b"[]"


@given(items=ANY_ITEMS, size=SPLITS)
def test_any_items_as_json(items: list[dict[str, Any]], size: int) -> None:
    assert msgspec.json.decode(written(JsonArray(), items=items, size=size)) == items
    assert [msgspec.json.decode(line) for line in written(JsonLines(), items=items, size=size).splitlines()] == items


def test_csv() -> None:
    text = written(Csv(), COLUMNS)
    assert text.startswith(b"\xef\xbb\xbfname,")
    assert rows_in(text.decode("utf-8-sig")) == [
        COLUMNS,
        ['Anna "A"', "two\nlines, comma", "1.5", "true", "", ""],
        ["Żółć <b>&amp;</b>", "", "", "", "", "12345678901234567890123"],
    ]
    plain = written(Csv(bom=False, delimiter="\t", header=False), COLUMNS).decode()
    assert plain.startswith('"Anna ""A"""\t')


@given(items=ANY_ITEMS, size=SPLITS, delimiter=st.sampled_from([",", ";", "\t", "1", "é", " "]))
def test_any_items_as_csv(items: list[dict[str, Any]], size: int, delimiter: str) -> None:
    columns = columns_of(items) or ["none"]
    rows = [columns, *texts_of(items, columns)]
    text = written(Csv(bom=False, delimiter=delimiter), columns, items=items, size=size).decode()
    assert text == csv_of(rows, delimiter)
    assert rows_in(text, delimiter) == rows


@given(items=ANY_ITEMS, kept=st.integers(0, 3))
def test_csv_of_some_columns(items: list[dict[str, Any]], kept: int) -> None:
    columns = columns_of(items)[:kept] or ["none"]
    text = written(Csv(bom=False, header=False), columns, items=items, size=10).decode()
    assert text == csv_of(texts_of(items, columns))


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n"])
def test_a_delimiter_is_one_character(delimiter: str) -> None:
    with pytest.raises(InvalidValue, match="delimiter"):
        Csv(delimiter=delimiter)


def test_xml() -> None:
    items = [
        {"@": {"id": 1, "ok": True}, "#": "text <", "tags": ["a", "b"], "1 bad key": None, "ctl": "\x01\ufffe\r"},
        {"leaf": {"@": {"q": '"', "a b": 1, "a_b": 2}, "#": "inside"}, "@": "no attributes"},
    ]
    root = ET.fromstring(written(Xml(root="all", row="one"), items=items))
    first, second = root
    assert (root.tag, first.tag, first.attrib) == ("all", "one", {"id": "1", "ok": "true"})
    assert [tag.text for tag in first.findall("tags")] == ["a", "b"]
    assert first.find("_1_bad_key") is not None
    assert first.findtext("ctl") == "\N{REPLACEMENT CHARACTER}" * 2 + "\r"
    leaf = second.find("leaf")
    assert leaf is not None
    assert (leaf.text, leaf.attrib) == ("inside", {"q": '"', "a_b": "2"})
    with pytest.raises(InvalidValue, match="xmlRoot"):
        Xml(root="a b")


Element = tuple[str, dict[str, str], str, list[Any]]


def elements_of(name: str, value: Any) -> list[Element]:
    """What a value is as XML: name, attributes, text, children."""
    if isinstance(value, list):
        return [one for part in value for one in elements_of(name, part)]
    if not isinstance(value, dict):
        return [(xml_name(name), {}, xml_text(text_of(value)), [])]
    own = value.get("@")
    attributes = {xml_name(key): xml_text(text_of(part)) for key, part in own.items()} if isinstance(own, dict) else {}
    children = [
        one
        for key, part in value.items()
        if key != "#" and not (key == "@" and attributes)
        for one in elements_of(key, part)
    ]
    return [(xml_name(name), attributes, "" if children else xml_text(text_of(value.get("#"))), children)]


SCRIPTS = (
    "LATIN SMALL LETTER",
    "LATIN CAPITAL LETTER",
    "GREEK SMALL",
    "GREEK CAPITAL",
    "CYRILLIC",
    "HEBREW",
    "ARABIC",
    "DEVANAGARI",
    "THAI",
    "HIRAGANA",
    "KATAKANA",
    "CJK UNIFIED",
    "HANGUL",
)


def is_letter(char: str) -> bool:
    """Whether a name keeps it: a letter of a script that readers of every edition of XML know, as the writer says."""
    kept = Xml(row=char) if is_name(char) else None
    return kept is not None and (char.isascii() or unicodedata.name(char, "").startswith(SCRIPTS))


def is_name(text: str) -> bool:
    try:
        ET.fromstring(f"<{text}/>")
        Xml(row=text)
    except (ET.ParseError, InvalidValue, ValueError):
        return False
    return True


def xml_name(key: str) -> str:
    name = "".join(char if char in "0123456789.-" or (char not in "<>/ :" and is_letter(char)) else "_" for char in key)
    return f"_{name}" if not name or name[0] in "0123456789.-" else name


def xml_text(text: str) -> str:
    return "".join(
        char if char in "\t\n\r" or (char >= " " and char not in "\ufffe\uffff") else "\ufffd" for char in text
    )


def seen(element: ET.Element) -> Element:
    return element.tag, dict(element.attrib), element.text or "", [seen(child) for child in element]


@given(items=ANY_ITEMS, size=SPLITS)
def test_any_items_as_xml(items: list[dict[str, Any]], size: int) -> None:
    expected = [one for item in items for one in elements_of("item", item)]
    assert [seen(one) for one in ET.fromstring(written(Xml(), items=items, size=size))] == expected
    [channel] = ET.fromstring(written(Rss(title="T & U", description="D\x01"), items=items, size=size))
    title, description, *rest = channel
    assert (title.text, description.text) == ("T & U", "D\N{REPLACEMENT CHARACTER}")
    assert [seen(one) for one in rest] == expected


def test_a_long_name_over_a_long_array_is_refused() -> None:
    with (
        patch("actorium.datasets.formats.markup.MARKUP_CHARS_MAX", 10_000),
        pytest.raises(InvalidInput, match="format=json"),
    ):
        Xml().rows([{"k" * 1000: [[1, 2, 3], [4, 5, 6]]}])


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and self.lasttag in ("td", "th"):
            self.rows[-1][-1] += data


def cells_in(text: bytes) -> list[list[str]]:
    parser = _Cells()
    parser.feed(text.decode().replace("</td></tr>\n", "</td></tr>").replace("</tr></thead>\n<tbody>\n", "</tr>"))
    parser.close()
    return parser.rows


@given(items=ANY_ITEMS, size=SPLITS)
def test_any_items_as_html(items: list[dict[str, Any]], size: int) -> None:
    columns = columns_of(items) or ["none"]
    text = written(Html(), columns, items=items, size=size).removesuffix(b"</tbody></table></body></html>\n")
    assert cells_in(text) == [columns, *texts_of(items, columns)]


def test_html_is_one_table_and_escapes() -> None:
    text = written(Html(), COLUMNS)
    assert b"<b>" not in text
    assert text.count(b"<table") == 1
    assert b"&lt;b&gt;&amp;amp;&lt;/b&gt;" in text
    assert written(Html(bom=True), COLUMNS) == b"\xef\xbb\xbf" + text


def test_headings_need_not_be_the_names_of_the_columns() -> None:
    table = Table(("a", "b/0"), ("First, one", "<B>/0"))
    item = {"b": [1], "a": 2}
    csv = Csv(bom=False)
    assert csv.begin(table) + csv.rows([item]) == b'"First, one",<B>/0\r\n2,1\r\n'
    html = Html()
    text = html.begin(table) + html.rows([item])
    assert b"<th>&lt;B&gt;/0</th>" in text
    assert b"<tr><td>2</td><td>1</td></tr>" in text


def test_keys_of_any_script_are_names_of_elements() -> None:
    item = {"名前": "x", "価格": 1, "größe": 2, "a b": 3, "1": 4, "a:b": 5}
    text = Xml(root="größe").rows([item]).decode()
    parsed = ET.fromstring(text)
    assert [child.tag for child in parsed] == ["名前", "価格", "größe", "a_b", "_1", "a_b"]
