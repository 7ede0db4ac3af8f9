"""The union of the columns of items, found without making a row of each: names appear when a new place is met."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from actorium.kernel.limits import COLUMNS_MAX, COLUMNS_TEXT_BYTES_MAX

Column = tuple[str, str]
"""A column as files name it, after the top-level field it comes from: ("a", "a/0/b")."""

_NODES_MAX = 8 * COLUMNS_MAX  # places of values in items, also of empty ones, which are no columns
_TEXT = msgspec.json.Decoder(list[str | Column])


class _TooMany(Exception):
    """There are more columns than are kept, or longer ones."""


class Columns:
    """Columns in the order of their first appearance, as tables have them, up to the API's limit."""

    def __init__(self, *, names_bytes_max: int = COLUMNS_TEXT_BYTES_MAX) -> None:
        self._names: dict[Column, None] | None = {}
        self._names_bytes_max = names_bytes_max
        self._root = _Node(None, "")
        self._nodes = 0
        self._bytes = 0

    def add(self, item: dict[str, Any]) -> None:
        """Take in one item."""
        if self._names is not None:
            try:
                self._walk(self._root, item.items())
            except _TooMany:
                self._names = None

    def join(self, text: str | None) -> None:
        """Take in what ``text`` said about other items."""
        if text is None:
            self._names = None
        if text is None or self._names is None:
            return
        try:
            for column in columns_of(text):
                self._found(column)
        except _TooMany:
            self._names = None

    def text(self) -> str | None:
        """The columns as JSON, or None if there are too many or too long ones to be told."""
        if self._names is None:
            return None
        names = [name if name.partition("/")[0] == top else (top, name) for top, name in self._names]
        return msgspec.json.encode(names).decode()

    @property
    def found(self) -> Collection[Column] | None:
        """The columns, or None if there are too many or too long ones."""
        return self._names

    def _walk(self, node: _Node, values: Iterable[tuple[str | int, Any]]) -> None:
        known = node.known
        for key, value in values:
            kind = type(value)
            if kind is dict:
                self._walk(node.below.get(key) or self._below(node, key), value.items())
            elif kind is list:
                self._walk(node.below.get(key) or self._below(node, key), enumerate(value))
            elif key not in known:
                known.add(key)
                self._counted()
                self._found((str(key) if node.top is None else node.top, f"{node.prefix}{key}"))

    def _below(self, node: _Node, key: str | int) -> _Node:
        self._counted()
        if len(node.prefix) > COLUMNS_TEXT_BYTES_MAX:
            raise _TooMany
        child = node.below[key] = _Node(str(key) if node.top is None else node.top, f"{node.prefix}{key}/")
        return child

    def _counted(self) -> None:
        self._nodes += 1
        if self._nodes > _NODES_MAX:
            raise _TooMany

    def _found(self, column: Column) -> None:
        if self._names is None or column in self._names:
            return
        self._names[column] = None
        self._bytes += len(column[0]) + len(column[1])
        if len(self._names) > COLUMNS_MAX or self._bytes > self._names_bytes_max:
            raise _TooMany


class _Node:
    """A place in items that holds other values."""

    __slots__ = ("below", "known", "prefix", "top")

    def __init__(self, top: str | None, prefix: str) -> None:
        self.top = top
        self.prefix = prefix
        self.known: set[str | int] = set()
        self.below: dict[str | int, _Node] = {}


def columns_of(text: str) -> list[Column]:
    """What ``Columns.text`` wrote."""
    return [(one.partition("/")[0], one) if isinstance(one, str) else one for one in _TEXT.decode(text)]
