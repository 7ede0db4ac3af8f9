"""Items as files, read back by other readers."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from actorium.datasets.formats import Writer
from actorium.datasets.formats.delimited import Csv
from actorium.datasets.formats.json_texts import JsonArray, JsonLines
from actorium.datasets.formats.markup import Rss, Xml
from actorium.datasets.formats.page import Html
from actorium.kernel.errors import InvalidValue

ITEMS: list[dict[str, Any]] = [
    {"name": 'Anna "A"', "text": "two\nlines, comma", "n": 1.5, "nested": {"deep": [True, None]}},
    {"name": "Żółć <b>&amp;</b>", "other": 12345678901234567890123, "empty": []},
]
COLUMNS = ["name", "text", "n", "nested/deep/0", "nested/deep/1", "other"]


def written(writer: Writer, columns: list[str] | None = None) -> bytes:
    return writer.begin(columns or []) + writer.rows(ITEMS[:1]) + writer.rows(ITEMS[1:]) + writer.end()


def test_json_and_lines_are_the_same_items() -> None:
    assert msgspec.json.decode(written(JsonArray())) == ITEMS
    assert [msgspec.json.decode(line) for line in written(JsonLines()).splitlines()] == ITEMS
    assert written(JsonArray(bom=True)).startswith(b"\xef\xbb\xbf[")
    writer = JsonArray()
    assert writer.begin([]) + writer.rows([]) + writer.copied(b"") + writer.end() == b"[]"


def test_csv() -> None:
    text = written(Csv(), COLUMNS)
    assert text.startswith(b"\xef\xbb\xbfname,")
    rows = list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")))
    assert rows == [
        COLUMNS,
        ['Anna "A"', "two\nlines, comma", "1.5", "true", "", ""],
        ["Żółć <b>&amp;</b>", "", "", "", "", "12345678901234567890123"],
    ]
    plain = written(Csv(bom=False, delimiter="\t", header=False), COLUMNS).decode()
    assert plain.startswith('"Anna ""A"""\t')


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n"])
def test_a_delimiter_is_one_character(delimiter: str) -> None:
    with pytest.raises(InvalidValue, match="delimiter"):
        Csv(delimiter=delimiter)


def test_xml() -> None:
    items = [
        {"@": {"id": 1, "ok": True}, "#": "text <", "tags": ["a", "b"], "1 bad key": None, "ctl": "\x01"},
        {"leaf": {"@": {"q": '"'}, "#": "inside"}, "@": "no attributes"},
    ]
    writer = Xml(root="all", row="one")
    root = ET.fromstring(writer.begin([]) + writer.rows(items) + writer.end())
    first, second = root
    assert (root.tag, first.tag, first.attrib) == ("all", "one", {"id": "1", "ok": "true"})
    assert [tag.text for tag in first.findall("tags")] == ["a", "b"]
    assert first.find("_1_bad_key") is not None
    assert first.findtext("ctl") == "\N{REPLACEMENT CHARACTER}"
    leaf = second.find("leaf")
    assert leaf is not None
    assert (leaf.text, leaf.attrib) == ("inside", {"q": '"'})
    with pytest.raises(InvalidValue, match="xmlRoot"):
        Xml(root="a b")


def test_rss() -> None:
    root = ET.fromstring(written(Rss(title="T & U", description="D")))
    channel = root.find("channel")
    assert channel is not None
    assert (channel.findtext("title"), channel.findtext("description")) == ("T & U", "D")
    assert [item.findtext("name") for item in channel.findall("item")] == [item["name"] for item in ITEMS]


def test_html_is_one_table_and_escapes() -> None:
    class Cells(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def handle_data(self, data: str) -> None:
            self.seen.append(data)

    text = written(Html(), COLUMNS).decode()
    assert "<b>" not in text
    parser = Cells()
    parser.feed(text)
    assert ITEMS[1]["name"] in parser.seen
    assert set(COLUMNS) <= set(parser.seen)
