"""What a segment knows of its items: the same as looking at all of them."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actorium.datasets.segments.columns import Columns, columns_of
from actorium.kernel.limits import COLUMNS_MAX, COLUMNS_TEXT_BYTES_MAX
from dataset_oracles import leaves

KEY = st.text("ab/0", max_size=2)
VALUE = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.lists(st.dictionaries(KEY, VALUE, max_size=4), max_size=8)


def expected(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """By definition: what a row of each item has, with the field it comes from."""
    found = {
        (field, name): None
        for item in items
        for field, value in item.items()
        for name in leaves(field, value, "/", (dict, list))
    }
    return list(found)


def columns(items: list[dict[str, Any]]) -> Columns:
    collected = Columns()
    for item in items:
        collected.add(item)
    return collected


def told(collected: Columns) -> list[tuple[str, str]]:
    text = collected.text()
    assert text is not None
    return columns_of(text)


@given(ITEMS)
def test_columns_are_those_of_rows(items: list[dict[str, Any]]) -> None:
    assert told(columns(items)) == expected(items)


@given(ITEMS, ITEMS, ITEMS)
def test_joined_columns_are_those_of_all(
    first: list[dict[str, Any]], second: list[dict[str, Any]], third: list[dict[str, Any]]
) -> None:
    collected = columns(first)
    collected.join(columns(second).text())
    for item in third:
        collected.add(item)
    assert told(collected) == expected([*first, *second, *third])


def test_too_many_columns_are_not_told() -> None:
    assert len(told(columns([{f"k{n}": n for n in range(COLUMNS_MAX)}]))) == COLUMNS_MAX
    full = columns([{f"k{n}": n for n in range(COLUMNS_MAX + 1)}])
    assert full.text() is None
    joined = columns([{"a": 1}])
    joined.join(full.text())
    joined.add({"b": 1})
    joined.join('["c"]')
    assert joined.text() is None


def test_long_names_and_empty_places_are_bounded() -> None:
    long = "x" * (COLUMNS_TEXT_BYTES_MAX + 1)
    assert columns([{long: 1}]).text() is None
    assert columns([{long: {"a": {"b": 1}}}]).text() is None
    assert columns([{f"k{n}": {} for n in range(100_000)}]).text() is None
    assert told(columns([{"a": {}, "b": [], "c": [{}]}])) == []


def test_deep_items() -> None:
    deep: dict[str, Any] = {"v": 1}
    for _ in range(199):
        deep = {"k": deep}
    [(field, name)] = told(columns([deep]))
    assert (field, name.count("/")) == ("k", 199)
    assert msgspec.json.decode(columns([deep]).text() or "") == [name]
