"""What columns items have, and of which types."""

from __future__ import annotations

from typing import Any

import pytest

from actorium.datasets.sql.box.shapes import Columns, TooManyColumns
from actorium.kernel.limits import COLUMNS_MAX, SQL_STRUCT_DEPTH_MAX, SQL_STRUCT_KEYS_MAX


def structure(*items: dict[str, Any]) -> dict[str, Any]:
    columns = Columns()
    for item in items:
        columns.see([item])
    return columns.structure()


def type_of(*values: Any) -> Any:
    return structure(*({"a": value} for value in values))["a"]


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ([None], "VARCHAR"),
        (["x", None], "VARCHAR"),
        ([True, None], "BOOLEAN"),
        ([1, -1, 2**63 - 1, -(2**63)], "BIGINT"),
        ([2**63, -1], "DECIMAL(20,0)"),
        ([2**64 - 1], "DECIMAL(20,0)"),
        ([2**64, 1], "DOUBLE"),
        ([-(2**63) - 1], "DOUBLE"),
        ([1, 1.5], "DOUBLE"),
        ([1, True], "JSON"),
        ([1, "x"], "JSON"),
        ([[1], "x"], "JSON"),
        ([{"b": 1}, [1]], "JSON"),
        ([[]], ["VARCHAR"]),
        ([[], [1, None]], ["BIGINT"]),
        ([[1, "x"]], ["JSON"]),
        ([[[1.5]], [None]], [["DOUBLE"]]),
        ([{}], "JSON"),
        ([{}, {"b": 1}], {"b": "BIGINT"}),
        ([{"b": 1}, {"b": 1.5, "c": [True]}, None], {"b": "DOUBLE", "c": ["BOOLEAN"]}),
        ([{"b": 1, "B": 2}], "JSON"),
        ([{"": 1}], "JSON"),
        ([{"b": {"": 1}}], {"b": "JSON"}),
        (["2026-01-01"], "VARCHAR"),
    ],
)
def test_the_narrowest_type_that_holds_all(values: list[Any], type: Any) -> None:
    assert type_of(*values) == type
    assert type_of(*reversed(values)) == type


def test_objects_whose_keys_are_data_are_json() -> None:
    keys = {f"k{n}": n for n in range(SQL_STRUCT_KEYS_MAX)}
    assert isinstance(type_of(keys), dict)
    assert type_of(keys, {"more": 1}) == "JSON"
    assert type_of({"more": 1}, keys, {}) == "JSON"


def test_what_is_nested_too_deeply_is_json() -> None:
    value: Any = 1
    for _ in range(SQL_STRUCT_DEPTH_MAX + 5):
        value = {"a": value}
    found, depth = type_of(value), 0
    while isinstance(found, dict):
        found, depth = found["a"], depth + 1
    assert (found, depth) == ("JSON", SQL_STRUCT_DEPTH_MAX)


def test_columns_are_in_order_of_appearance() -> None:
    assert list(structure({"b": 1}, {"a": 1, "c": 1}, {"a": 2, "d": 1})) == ["b", "a", "c", "d"]


def test_keys_that_differ_in_case_alone_get_columns_of_their_own() -> None:
    columns = Columns()
    assert not columns.see([{"a": 1}])
    assert columns.see([{"A": "x", "a_1": True, "b": 1}])
    assert columns.structure() == {"a": "BIGINT", "A_1": "VARCHAR", "a_1_1": "BOOLEAN", "b": "BIGINT"}
    assert columns.renamed({"A": "x", "a_1": True, "b": 1}) == {"A_1": "x", "a_1_1": True, "b": 1}
    assert not columns.see([{"a": 5, "b": 1}])
    assert columns.see([{"a": 5}, {"A": 1}])
    assert columns.count == 5


def test_the_empty_key_has_a_name() -> None:
    columns = Columns()
    assert columns.see([{"_": 1, "": 2}])
    assert columns.renamed({"_": 1, "": 2}) == {"_": 1, "__1": 2}


def test_columns_are_bounded() -> None:
    columns = Columns()
    columns.see([{f"k{n}": n} for n in range(COLUMNS_MAX)])
    with pytest.raises(TooManyColumns):
        columns.see([{"one more": 1}])
