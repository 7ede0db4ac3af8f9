"""What the items parameters do to items."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.datasets.batches import batches, decoded
from actorium.datasets.export import check_rows, labels_of, range_of, transform_of, viewed
from actorium.datasets.model import Format, ItemsQuery
from actorium.datasets.transform import unwound
from actorium.kernel.errors import Invalid
from dataset_oracles import ITEMS, NAMES, block_of, transformed

ITEM = {"a": 1, "#b": 2, "c": {"d": 3, "e": {"f": [4, {"g": 5}]}}, "list": [{"a": 10}, {"x": 20}], "empty": {}}
FLAGS = ("skip_hidden", "skip_empty", "clean", "skip_failed_pages")
QUERIES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("fields", "omit", "unwind", "flatten"), NAMES) | dict.fromkeys(FLAGS, st.booleans()),
)


def applied(*items: dict[str, Any], size: int = 100, **query: Any) -> list[dict[str, Any]]:
    found = batches(block_of(items), transform_of(ItemsQuery(**query)), size=size)
    return [item for batch in found for item in batch]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [ITEM]),
        ({"fields": ["c", "a", "absent"]}, [{"c": ITEM["c"], "a": 1}]),
        ({"fields": ["a", "#b"], "output_fields": ["x", "y"]}, [{"x": 1, "y": 2}]),
        ({"fields": ["a", "#b"], "omit": ["a"]}, [{"#b": 2}]),
        ({"fields": ["a", "#b"], "clean": True}, [{"a": 1}]),
        ({"fields": ["#b"], "clean": True}, []),
        ({"fields": ["#b"], "output_fields": ["b"], "clean": True}, [{"b": 2}]),
        ({"fields": ["#b"], "skip_hidden": True}, [{}]),
        ({"fields": ["absent"], "skip_empty": True}, []),
        ({"fields": ["a", "x"], "unwind": ["list"]}, [{"a": 10}, {"a": 1, "x": 20}]),
        ({"fields": ["a", "d"], "unwind": ["c"]}, [{"a": 1, "d": 3}]),
        ({"fields": ["a", "f"], "unwind": ["c", "e", "f"]}, [{"a": 1, "f": 4}, {"a": 1}]),
        ({"fields": ["a"], "unwind": ["a", "absent"]}, [{"a": 1}]),
        ({"fields": ["c.d", "c.e.f"], "flatten": ["c"]}, [{"c.d": 3, "c.e.f": [4, {"g": 5}]}]),
        ({"omit": ["c", "list", "#b"], "flatten": ["a", "absent"]}, [{"a": 1, "empty": {}}]),
        ({"omit": ["c.e", "list", "#b", "a.z", "c.d.q"]}, [{"a": 1, "c": {"d": 3}, "empty": {}}]),
        ({"fields": ["c.d", "c.e.f"], "flatten": ["c"], "omit": ["c.e.f"]}, [{"c.d": 3}]),
    ],
)
def test_parameters(query: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert applied(ITEM, **query) == expected


@given(items=ITEMS, query=QUERIES, size=st.integers(1, 5))
def test_any_parameters_do_what_the_plain_definition_says(
    items: list[dict[str, Any]], query: dict[str, Any], size: int
) -> None:
    expected = transformed(items, query)
    found = applied(*items, size=size, **query) if items else []
    assert found == expected
    assert [list(item) for item in found] == [list(item) for item in expected], "the order of keys counts"


def test_failed_pages_and_simplified() -> None:
    page = {"url": "u", "pageFunctionResult": [{"t": 1}, {"t": 2}], "errorInfo": None, "#debug": {}}
    assert applied(page, simplified=True) == [{"url": "u", "errorInfo": None}] * 2
    assert applied(page, skip_failed_pages=True) == [page]
    assert applied(page | {"errorInfo": {"stack": "…"}}, skip_failed_pages=True) == []
    assert applied(
        page | {"errorInfo": {"stack": "…"}}, page, simplified=True, skip_failed_pages=True, fields=["t"]
    ) == [
        {"t": 1},
        {"t": 2},
    ]


def test_the_order_of_keys_is_kept() -> None:
    assert list(applied({"z": 1, "o": {"b": 1, "a": 2}, "y": 3}, flatten=["o"])[0]) == ["z", "o.b", "o.a", "y"]


def test_deep_items_are_flattened_without_recursion() -> None:
    deep: dict[str, Any] = {"v": 1}
    for _ in range(5000):
        deep = {"k": deep}
    [flat] = transform_of(ItemsQuery(flatten=["k"])).shaped([deep])
    [name] = flat
    assert name.count(".") == 5000


def test_many_fields_are_unwound_without_recursion() -> None:
    assert list(unwound({"a": [1]}, ["a"] * 1000)) == [{"a": 1}]


def test_what_unwind_multiplies_is_made_piece_by_piece() -> None:
    rows = [{"text": "x" * 1000} | {name: list(range(30)) for name in "abcd"}]
    found = batches(block_of(rows), transform_of(ItemsQuery(unwind=list("abcd"))), size=100_000)
    sizes = [len(next(found)) for _ in range(5)]
    assert max(sizes) < 1000, "810 000 records of more than 1 kB are never held together"


def test_a_long_nothing_is_made_of_many_short_ones() -> None:
    rows = [{name: list(range(30)) for name in "abc"} | {"d": []}]
    found = list(batches(block_of(rows), transform_of(ItemsQuery(unwind=list("abcd"))), size=100))
    assert not any(found)
    assert len(found) > 5, "a caller can let others have their turn in between"


def test_bombs_are_refused() -> None:
    many = {name: list(range(30)) for name in "abc"}
    with patch("actorium.datasets.batches.UNWOUND_MAX", 1000), pytest.raises(Invalid, match="unwind fewer"):
        applied(many, unwind=list("abc"))
    with patch("actorium.datasets.transform.FLATTENED_CHARS_MAX", 1000), pytest.raises(Invalid, match="flatten"):
        applied({"f": {"k" * 200: {str(n): {} for n in range(10)}}}, flatten=["f"])


def test_numbers_and_letters_that_the_fast_reader_refuses() -> None:
    block = rb'{"n":1e999,"big":' + b"9" * 5000 + rb',"half":"a\ud800b","list":[{"k\udfff":-1e999}]}' + b'\n{"a":1}'
    found = decoded(block)
    assert found == [{"n": None, "big": None, "half": "a\ufffdb", "list": [{"k\ufffd": None}]}, {"a": 1}]
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
    assert decoded(b'{"n":' + b"9" * 30 + b"}") == [{"n": int("9" * 30)}]


@pytest.mark.parametrize(
    "query",
    [
        {"output_fields": ["x"]},
        {"fields": ["a"], "output_fields": ["x", "y"]},
        {"fields": ["a", "a"], "output_fields": ["x", "y"]},
        {"fields": ["a", "b"], "output_fields": ["x", "x"]},
        {"fields": ["f"] * 1001},
    ],
)
def test_contradictions_are_told(query: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        transform_of(ItemsQuery(**query))


def test_ranges() -> None:
    def bounds(total: int, **query: Any) -> tuple[int, int]:
        chosen = range_of(ItemsQuery(**query), total)
        return chosen.start, chosen.end

    assert bounds(10) == (0, 10)
    assert bounds(10, offset=3, limit=4) == (3, 7)
    assert bounds(10, offset=3, limit=4, desc=True) == (3, 7)
    assert bounds(10, offset=1, limit=2, desc=True) == (7, 9)
    assert bounds(10, offset=20) == (10, 10)
    assert range_of(ItemsQuery(offset=20), 10).count == 0
    assert range_of(ItemsQuery(), 10).limit == 999_999_999_999


def test_a_sheet_has_room_for_so_many_rows() -> None:
    check_rows(ItemsQuery(format=Format.XLSX), 1_048_575)
    check_rows(ItemsQuery(format=Format.CSV), 10**9)
    with pytest.raises(Invalid, match="offset and limit, or use format=csv"):
        check_rows(ItemsQuery(format=Format.XLSX), 1_048_576)


def test_views_add_what_the_query_does_not_say() -> None:
    schema = {
        "views": {
            "v": {"transformation": {"fields": ["a"], "limit": 5, "desc": True}},
            "text": {"transformation": {"unwind": "list", "fields": None}},
            "bad": {"transformation": {"limit": "x"}},
            "plain": {},
        }
    }
    query = viewed(ItemsQuery(view="v", limit=2), schema)
    assert (query.fields, query.limit, query.desc) == (["a"], 2, True)
    assert viewed(ItemsQuery(view="text"), schema).unwind == ["list"]
    assert viewed(ItemsQuery(view="plain"), schema) == ItemsQuery(view="plain")
    for name, having in (("absent", schema), ("v", None), ("v", {"views": []}), ("bad", schema)):
        with pytest.raises(Invalid, match="view"):
            viewed(ItemsQuery(view=name), having)


def test_views_have_labels() -> None:
    properties = {"a": {"label": "A label", "format": "text"}, "b": {"format": "link"}, "c": {"label": 1}, "d": "x"}
    schema = {"views": {"v": {"display": {"component": "table", "properties": properties}}, "bare": {"display": []}}}
    assert labels_of(ItemsQuery(view="v"), schema) == {"a": "A label"}
    assert labels_of(ItemsQuery(view="bare"), schema) == {}
    assert labels_of(ItemsQuery(), schema) == {}
