"""A pushed body cut into items."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.datasets.pushing import rows_of
from actorium.datasets.slices import loads, slice_items
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import ITEM_DEPTH_MAX

KEY = st.sampled_from(["", "#", "#a", "a", "b", "\\", '"', "é"])
ITEM = st.dictionaries(KEY, st.none() | st.lists(st.text("[{#\n", max_size=3)), max_size=4)


def is_clean(item: dict[str, Any]) -> bool:
    """By definition: something is left without its hidden fields."""
    return any(not key.startswith("#") for key in item)


@given(items=st.lists(ITEM, max_size=70), indent=st.sampled_from([0, 2]))
def test_items_come_out_as_they_went_in(items: list[dict[str, Any]], indent: int) -> None:
    body = msgspec.json.format(msgspec.json.encode(items), indent=indent)
    found = slice_items(body)
    assert [loads(item) for item in found.items] == items
    assert not any(b"\n" in item for item in found.items)
    assert found.clean_count == sum(map(is_clean, items))
    assert found.count == len(items)


def test_a_key_that_is_hidden_by_an_escape() -> None:
    found = slice_items(rb'[{"\u0023a": 1}, {"\u0061": 1}, { "#b": 1}, {}]')
    assert (found.count, found.clean_count) == (4, 1)


def nested(levels: int, opening: str, closing: str) -> bytes:
    return ('{"a":' + opening * (levels - 1) + "1" + closing * (levels - 1) + "}").encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
@pytest.mark.parametrize("others", [0, 1, 40])
def test_items_may_be_nested_to_a_depth(opening: str, closing: str, others: int) -> None:
    pair = len(opening.replace('"a":', ""))
    levels = (ITEM_DEPTH_MAX - 1) // pair + 1
    fine = nested(levels, opening, closing)
    deep = nested(levels + 1, opening, closing)
    rest = [b'{"b":[]}'] * others
    assert slice_items(b"[" + b",".join([*rest, fine]) + b"]").count == others + 1
    with pytest.raises(InvalidInput, match="nested too deeply"):
        slice_items(b"[" + b",".join([*rest, deep]) + b"]")


def test_brackets_in_texts_are_no_depth() -> None:
    items = [{"text": "[{" * 500}] * 40
    assert slice_items(msgspec.json.encode(items)).count == 40


@given(st.lists(st.integers(2, 300_000).map(lambda size: b"x" * size), min_size=1, max_size=12))
def test_a_push_is_cut_into_rows(items: list[bytes]) -> None:
    size = sum(map(len, items)) + len(items) - 1
    rows = rows_of(items, size)
    assert b"\n".join(row.payload or b"" for row in rows) == b"\n".join(items)
    assert sum(row.count for row in rows) == len(items)
    for row in rows:
        assert row.size == len(row.payload or b"")
        assert row.size <= 131_072 or row.count == 1
