"""What reading a dataset means, written as plainly as possible and as slowly as that takes: what tests compare with."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from hypothesis import strategies as st

Item = dict[str, Any]

KEYS = st.sampled_from(["a", "b", "c", "a.b", "a/0", "a/b", "b/a", "#a", "#", "@", "0", "errorInfo"]) | st.text(
    max_size=3
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(['"', ",", "a\nb", "\r", "<&>'", "_x0041_", "=1+1", " ", "é😀"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
ITEMS = st.lists(st.dictionaries(KEYS, JSON, max_size=5), max_size=6)
NAMES = st.lists(st.sampled_from(["a", "b", "c", "a.b", "a.b.c", "#a", "a/0", "absent"]), max_size=3, unique=True)


def block_of(items: Iterable[Item]) -> bytes:
    """Items as they are stored."""
    return b"\n".join(msgspec.json.encode(item) for item in items)


def transformed(items: Iterable[Item], query: dict[str, Any]) -> list[Item]:
    """Items after the parameters of a query, named as in ``ItemsQuery``."""
    return [result for item in items for result in _results(item, query)]


def _results(item: Item, query: dict[str, Any]) -> Iterator[Item]:
    if query.get("skip_failed_pages") and item.get("errorInfo"):
        return
    unwound = [item]
    for field in query.get("unwind") or []:
        unwound = [part for whole in unwound for part in _unwound(whole, field)]
    for part in unwound:
        for field in query.get("flatten") or []:
            part = _flat(part, field)
        for path in query.get("omit") or []:
            part = without(part, path)
        fields = query.get("fields") or []
        if fields:
            names = query.get("output_fields") or fields
            part = {name: part[field] for field, name in zip(fields, names, strict=True) if field in part}
        if query.get("skip_hidden") or query.get("clean"):
            part = {key: value for key, value in part.items() if not key.startswith("#")}
        if part or not (query.get("skip_empty") or query.get("clean")):
            yield part


def _unwound(item: Item, field: str) -> list[Item]:
    value = item.get(field)
    rest = {key: other for key, other in item.items() if key != field}
    if isinstance(value, dict):
        return [{**rest, **value}]
    if isinstance(value, list):
        return [{**rest, **one} if isinstance(one, dict) else {**rest, field: one} for one in value]
    return [item]


def _flat(item: Item, field: str) -> Item:
    flat: Item = {}
    for key, value in item.items():
        flat |= leaves(key, value, ".", dict) if key == field else {key: value}
    return flat


def without(item: Item, path: str) -> Item:
    if path in item:
        return {key: value for key, value in item.items() if key != path}
    head, _, rest = path.partition(".")
    if rest and isinstance(item.get(head), dict):
        return {key: without(value, rest) if key == head else value for key, value in item.items()}
    return item


def leaves(key: str, value: Any, separator: str, kinds: Any) -> Item:
    """Nested values under joined names."""
    if not isinstance(value, kinds):
        return {key: value}
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    flat: Item = {}
    for name, inner in inside:
        flat |= leaves(f"{key}{separator}{name}", inner, separator, kinds)
    return flat


def row_of(item: Item) -> Item:
    """An item as a row of a table."""
    row: Item = {}
    for key, value in item.items():
        row |= leaves(key, value, "/", (dict, list))
    return row


def columns_of(items: Iterable[Item], asked: list[str] | None = None) -> list[str]:
    """The union of the columns as they first appear, or ordered by the fields asked for."""
    found: dict[str, str] = {}
    for item in items:
        for key, value in item.items():
            for column in leaves(key, value, "/", (dict, list)):
                found.setdefault(column, key)
    if not asked:
        return list(found)
    return sorted(found, key=lambda column: asked.index(found[column]))


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def texts_of(items: Iterable[Item], columns: list[str]) -> list[list[str]]:
    """The rows of a table as texts."""
    return [[text_of(row_of(item).get(column)) for column in columns] for item in items]


def csv_of(rows: Iterable[list[str]], delimiter: str = ",") -> str:
    """What the standard library makes of rows."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def rows_in(text: str, delimiter: str = ",") -> list[list[str]]:
    """CSV read back by the standard library."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
