"""What the items parameters do to items."""

from __future__ import annotations

from typing import Any

import pytest

from actorium.datasets.export import range_of, transform_of, viewed
from actorium.datasets.model import ItemsQuery
from actorium.datasets.transform import spread
from actorium.kernel.errors import Invalid

ITEM = {"a": 1, "#b": 2, "c": {"d": 3, "e": {"f": [4, {"g": 5}]}}, "list": [{"a": 10}, {"x": 20}], "empty": {}}


def applied(item: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    return list(transform_of(ItemsQuery(**query)).apply(item))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [ITEM]),
        ({"fields": ["c", "a", "absent"]}, [{"c": ITEM["c"], "a": 1}]),
        ({"fields": ["a", "#b"], "output_fields": ["x", "y"]}, [{"x": 1, "y": 2}]),
        ({"fields": ["a", "#b"], "omit": ["a"]}, [{"#b": 2}]),
        ({"fields": ["a", "#b"], "clean": True}, [{"a": 1}]),
        ({"fields": ["#b"], "clean": True}, []),
        ({"fields": ["#b"], "skip_hidden": True}, [{}]),
        ({"fields": ["absent"], "skip_empty": True}, []),
        ({"fields": ["a", "x"], "unwind": ["list"]}, [{"a": 10}, {"a": 1, "x": 20}]),
        ({"fields": ["a", "d"], "unwind": ["c"]}, [{"a": 1, "d": 3}]),
        ({"fields": ["a", "f"], "unwind": ["c", "e", "f"]}, [{"a": 1, "f": 4}, {"a": 1}]),
        ({"fields": ["a"], "unwind": ["a", "absent"]}, [{"a": 1}]),
        ({"fields": ["c.d", "c.e.f"], "flatten": ["c"]}, [{"c.d": 3, "c.e.f": [4, {"g": 5}]}]),
        ({"omit": ["c", "list", "#b"], "flatten": ["a", "absent"]}, [{"a": 1, "empty": {}}]),
    ],
)
def test_parameters(query: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert applied(ITEM, **query) == expected


def test_failed_pages_and_simplified() -> None:
    page = {"url": "u", "pageFunctionResult": [{"t": 1}, {"t": 2}], "errorInfo": None, "#debug": {}}
    assert applied(page, simplified=True) == [{"url": "u", "errorInfo": None}] * 2
    assert applied(page, skip_failed_pages=True) == [page]
    assert applied(page | {"errorInfo": {"stack": "…"}}, skip_failed_pages=True) == []


def test_the_order_of_keys_is_kept() -> None:
    assert list(applied({"z": 1, "o": {"b": 1, "a": 2}, "y": 3}, flatten=["o"])[0]) == ["z", "o.b", "o.a", "y"]


def test_spreading_for_columns() -> None:
    assert spread(ITEM, separator="/", lists=True) == {
        "a": 1, "#b": 2, "c/d": 3, "c/e/f/0": 4, "c/e/f/1/g": 5, "list/0/a": 10, "list/1/x": 20,
    }  # fmt: skip


def test_deep_items_are_spread_without_recursion() -> None:
    deep: dict[str, Any] = {"v": 1}
    for _ in range(5000):
        deep = {"k": deep}
    [key] = spread(deep, separator="/", lists=True)
    assert key.count("/") == 5000


@pytest.mark.parametrize(
    "query", [{"output_fields": ["x"]}, {"fields": ["a"], "output_fields": ["x", "y"]}, {"fields": ["f"] * 1001}]
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


def test_views_add_what_the_query_does_not_say() -> None:
    schema = {
        "views": {
            "v": {"transformation": {"fields": ["a"], "limit": 5, "desc": True}},
            "bad": {"transformation": {"limit": "x"}},
            "plain": {},
        }
    }
    query = viewed(ItemsQuery(view="v", limit=2), schema)
    assert (query.fields, query.limit, query.desc) == (["a"], 2, True)
    assert viewed(ItemsQuery(view="plain"), schema) == ItemsQuery(view="plain")
    for name, having in (("absent", schema), ("v", None), ("v", {"views": []}), ("bad", schema)):
        with pytest.raises(Invalid, match="view"):
            viewed(ItemsQuery(view=name), having)
