"""Items as the cells of a table, a batch at a time: what CSV, HTML and XLSX have in common.

Working column by column is what makes it fast: most columns of a batch hold values of one kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from actorium.datasets.formats import Item

_NESTED = frozenset((dict, list))
_TEXT_OR_NOTHING = frozenset((str, type(None)))
_encode = msgspec.json.Encoder().encode

Kinds = set[type]


class Cells:
    """The values of items in given columns: those of nested values are their keys and places, such as ``a/0/b``.

    Where an item has two values for one column, as ``{"a": [1], "a/0": 2}`` has, the last one counts.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._nested = any("/" in column for column in columns)
        self._places = {column: at for at, column in enumerate(columns)}
        self._prefixes = {column[: at + 1] for column in columns for at, char in enumerate(column) if char == "/"}
        self._root = _Place("")

    def of(self, items: Sequence[Item]) -> Iterator[tuple[Sequence[Any], Kinds]]:
        """For each column its values, None where an item has none, and the types of these values."""
        columns = self._rows(items) if self._nested else map(_column, [items] * len(self._columns), self._columns)
        for values in columns:
            kinds = set(map(type, values))
            if not kinds.isdisjoint(_NESTED):  # what is nested has columns of its own
                values = [None if type(value) in _NESTED else value for value in values]  # noqa: PLW2901
                kinds = set(map(type, values))
            yield values, kinds

    def _rows(self, items: Sequence[Item]) -> Iterable[Sequence[Any]]:
        rows = []
        width = len(self._columns)
        for item in items:
            row: list[Any] = [None] * width
            self._fill(row, self._root, item.items())
            rows.append(row)
        return zip(*rows, strict=True)

    def _fill(self, row: list[Any], place: _Place, values: Iterable[tuple[str | int, Any]]) -> None:
        """Items are stored with a bounded depth, so this may recurse."""
        leaves = place.leaves
        for key, value in values:
            kind = type(value)
            if kind is dict or kind is list:
                inner = (place.below.get(key) or self._below(place, key)) if value else None
                if inner is not None:
                    self._fill(row, inner, value.items() if kind is dict else enumerate(value))
            else:
                at = leaves.get(key)
                if at is None:
                    at = self._places.get(f"{place.prefix}{key}")
                    if at is None:
                        continue
                    leaves[key] = at
                row[at] = value

    def _below(self, place: _Place, key: str | int) -> _Place | None:
        prefix = f"{place.prefix}{key}/"
        if prefix not in self._prefixes:
            return None
        inner = place.below[key] = _Place(prefix)
        return inner


class _Place:
    """A place in items that holds other values; what was met there once is found again by its own key."""

    __slots__ = ("below", "leaves", "prefix")

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.leaves: dict[str | int, int] = {}
        self.below: dict[str | int, _Place] = {}


def _column(items: Sequence[Item], name: str) -> Sequence[Any]:
    try:
        return list(map(itemgetter(name), items))
    except KeyError:
        return [item.get(name) for item in items]


def texts(values: Sequence[Any], kinds: Kinds) -> Sequence[str]:
    """A column as texts: strings as they are, nothing for null, other values as JSON writes them."""
    if kinds == {str}:
        return values
    if kinds <= _TEXT_OR_NOTHING:
        return [value or "" for value in values]
    if kinds == {int}:
        return list(map(str, values))
    return [value if type(value) is str else cell(value) for value in values]


def cell(value: Any) -> str:
    """One value as text."""
    if isinstance(value, str):
        return value
    return "" if value is None else _encode(value).decode()
