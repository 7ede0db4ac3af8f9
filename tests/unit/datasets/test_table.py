"""The columns of a table: derived from those of stored items, or found by looking at each item."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.datasets.batches import batches
from actorium.datasets.errors import NoColumns
from actorium.datasets.export import transform_of
from actorium.datasets.model import ItemsQuery
from actorium.datasets.table import TableBuilder
from actorium.kernel.errors import InvalidInput
from dataset_oracles import ITEMS, NAMES, block_of, columns_of, leaves, transformed

RENAMED = ["x", "#y", "a/b"]


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    query: dict[str, Any] = {name: draw(st.booleans()) for name in ("skip_hidden", "skip_empty")}
    query["fields"] = draw(NAMES)
    query["omit"] = draw(NAMES)
    if query["fields"] and draw(st.booleans()):
        query["output_fields"] = RENAMED[: len(query["fields"])]
    return query


def stored_columns(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found: dict[tuple[str, str], None] = {}
    for item in items:
        for key, value in item.items():
            for column in leaves(key, value, "/", (dict, list)):
                found[key, column] = None
    return list(found)


def built(items: list[dict[str, Any]], query: dict[str, Any], *, derived: int) -> tuple[str, ...] | None:
    """The columns when the first ``derived`` items are known by their columns and the others are looked at."""
    transform = transform_of(ItemsQuery(**query))
    builder = TableBuilder(transform)
    if derived:
        builder.derive(stored_columns(items[:derived]))
    if items[derived:]:
        for batch in batches(block_of(items[derived:]), transform, size=2):
            builder.scan(batch)
    try:
        return builder.table({}).columns
    except NoColumns:
        return None


@given(items=ITEMS, query=queries(), derived=st.integers(0, 6))
def test_derived_and_scanned_columns_are_the_union(
    items: list[dict[str, Any]], query: dict[str, Any], derived: int
) -> None:
    derived = derived if transform_of(ItemsQuery(**query)).keeps_columns else 0
    asked = query.get("output_fields") or query["fields"]
    expected = columns_of(transformed(items, query), asked)
    assert built(items, query, derived=derived) == (tuple(expected) or None)


@pytest.mark.parametrize(
    ("query", "keeps"),
    [
        ({"fields": ["a"], "output_fields": ["x"], "omit": ["b"], "clean": True}, True),
        ({"skip_hidden": True, "skip_empty": True, "desc": True}, True),
        ({"unwind": ["a"]}, False),
        ({"flatten": ["a"]}, False),
        ({"omit": ["a.b"]}, False),
        ({"simplified": True}, False),
        ({"skip_failed_pages": True}, False),
    ],
)
def test_when_columns_may_be_derived(query: dict[str, Any], keeps: bool) -> None:
    assert transform_of(ItemsQuery(**query)).keeps_columns is keeps


@given(
    items=ITEMS, query=st.fixed_dictionaries({"unwind": NAMES, "flatten": NAMES, "skip_failed_pages": st.booleans()})
)
def test_columns_of_anything_else_are_found_by_looking(items: list[dict[str, Any]], query: dict[str, Any]) -> None:
    assert built(items, query, derived=0) == (tuple(columns_of(transformed(items, query))) or None)


def test_limits() -> None:
    builder = TableBuilder(transform_of(ItemsQuery()))
    builder.scan([{f"c{at}": at} for at in range(1000)])
    builder.derive((f"c{at}", f"c{at}") for at in range(2000))
    assert len(builder.table({}).columns) == 2000
    with pytest.raises(InvalidInput, match="more than 2000 columns"):
        builder.scan([{"one more": 1}])
    for wide in ([{"a": list(range(2001))}], [{"a": [[]] * 100_000 + [1]}]):
        with pytest.raises(InvalidInput, match="more than 2000 columns"):
            TableBuilder(transform_of(ItemsQuery())).scan(wide)


def test_long_names_are_refused_and_can_be_left_out() -> None:
    fits, long = "k" * 200, {"a": {"k" * 199: 1}}
    whole, part = (TableBuilder(transform_of(ItemsQuery(omit=omit))) for omit in ([], ["a"]))
    whole.scan([{fits: 1}])
    with pytest.raises(InvalidInput, match="more than 200 characters"):
        whole.scan([long])
    part.derive([("a", "a/" + "k" * 199), ("b", "b")])
    assert part.table({}).columns == ("b",)
    many = TableBuilder(transform_of(ItemsQuery()))
    many.scan([{f"{at:0200}": 1 for at in range(2000)}])
    assert len(many.table({}).columns) == 2000


def test_labels_stand_above_columns_of_their_fields() -> None:
    builder = TableBuilder(transform_of(ItemsQuery()))
    builder.scan([{"a": [1, {"b": 2}], "c": 3, "a/1": 4, "d": 5}])
    table = builder.table({"a": "A", "c": "See", "absent": "X"})
    assert table.columns == ("a/0", "a/1/b", "c", "a/1", "d")
    assert table.headings == ("A/0", "A/1/b", "See", "a/1", "d")
