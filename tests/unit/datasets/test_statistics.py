"""Statistics of fields, by the contract's rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.datasets.segments.digest import Digest, turns
from actorium.datasets.segments.statistics import FieldStatistics, Statistics, fields_of

VALUE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.none())
ITEMS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUE))


def statistics(items: list[dict[str, Any]]) -> Statistics:
    collected = Statistics(("a", "b"))
    for item in items:
        collected.add(item)
    return collected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], FieldStatistics()),
        ([3, -1.5, 2], FieldStatistics(-1.5, 3)),
        (["four", "", "ünf"], FieldStatistics(0, 4)),
        ([[1, 2], [], [None]], FieldStatistics(0, 2)),
        ([{"x": 1, "y": 2}, {}], FieldStatistics(0, 2)),
        ([True, False, True], FieldStatistics(0, 1)),
        ([True], FieldStatistics(1, 1)),
        ([None, None, 7], FieldStatistics(7, 7, nulls=2)),
        ([10**30, -(10**400)], FieldStatistics(-1.7976931348623157e308, 1e30)),
        ([float("inf")], FieldStatistics(1.7976931348623157e308, 1.7976931348623157e308)),
    ],
)
def test_each_kind_of_value_has_its_measure(values: list[Any], expected: FieldStatistics) -> None:
    found = statistics([{"a": value} for value in values])
    assert found.fields["a"] == expected
    assert found.fields["b"] == FieldStatistics(absent=len(values))
    assert msgspec.json.decode(found.text(), type=dict[str, FieldStatistics]) == found.fields


@given(ITEMS, ITEMS)
def test_joined_statistics_are_those_of_all(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    joined = statistics(first)
    joined.join(statistics(second).text())
    assert joined.fields == statistics([*first, *second]).fields


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, None),
        ({}, None),
        ({"fields": None}, None),
        ({"fields": {}}, None),
        ({"fields": {"type": "object"}}, ()),
        ({"fields": {"properties": {"a": {}, "b": True}}}, ("a", "b")),
        ({"fields": {"properties": []}}, ()),
    ],
)
def test_the_fields_of_a_schema(schema: dict[str, Any] | None, expected: tuple[str, ...] | None) -> None:
    assert fields_of(schema) == expected


def test_a_digest_without_statistics_leaves_them_to_be_counted() -> None:
    digest = Digest(("a",))
    digest.join('["a"]', None)
    assert digest.statistics is None


@given(st.lists(st.integers(2, 50).map(lambda size: b"x" * size)))
def test_turns_keep_all_items_in_order(items: list[bytes]) -> None:
    groups = [*turns(items)]
    assert [item for group in groups for item in group] == items
    assert all(groups)
