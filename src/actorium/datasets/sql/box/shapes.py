"""What columns a list of JSON objects has, and of which types. Pure: looks at values, knows no engine.

Items need no common schema, a table does. A column whose values have one type gets it; whole numbers and fractions
together are DOUBLE; what has several types, or no bounded set of keys, stays JSON. Nothing is guessed from the text of
strings: a date stays a string until the query says otherwise.
"""

from __future__ import annotations

from typing import Any

from actorium.kernel.limits import COLUMNS_MAX, SQL_STRUCT_DEPTH_MAX, SQL_STRUCT_KEYS_MAX

Structure = str | list[Any] | dict[str, Any]
"""As ``from_json`` takes it: the name of a type, [of elements], or {of fields}."""

_TRUTH, _WHOLE, _LONG, _FRACTION, _TEXT, _LIST, _OBJECT = 1, 2, 4, 8, 16, 32, 64
_MASKS = {bool: _TRUTH, float: _FRACTION, str: _TEXT, type(None): 0}
_SIMPLE = {
    0: "VARCHAR",  # only nulls: a text is the least surprising
    _TRUTH: "BOOLEAN",
    _WHOLE: "BIGINT",
    _LONG: "DECIMAL(20,0)",
    _WHOLE | _LONG: "DECIMAL(20,0)",
    _FRACTION: "DOUBLE",
    _FRACTION | _WHOLE: "DOUBLE",
    _FRACTION | _LONG: "DOUBLE",
    _FRACTION | _WHOLE | _LONG: "DOUBLE",
    _TEXT: "VARCHAR",
}
_WHOLE_MIN, _WHOLE_MAX = -(2**63), 2**63 - 1
_LONG_MAX = 2**64 - 1
NAMELESS = "_"
"""The column of the empty key."""


class TooManyColumns(Exception):
    """A table has more columns than an export may have."""


class Shape:
    """What one place in the items has held so far."""

    __slots__ = ("element", "fields", "mask", "open")

    def __init__(self) -> None:
        self.mask = 0
        self.element: Shape | None = None
        self.fields: dict[str, Shape] | None = None
        self.open = False
        """An object with so many different keys that they are data, not a schema."""

    def see(self, value: Any, depth: int) -> None:
        """Take in one value, ``depth`` levels below its column."""
        kind = type(value)
        known = _MASKS.get(kind)
        if known is not None:
            self.mask |= known
        elif kind is int:
            self.mask |= _of_whole(value)
        elif kind is list:
            self.mask |= _LIST
            if not self.mask & ~_LIST and depth < SQL_STRUCT_DEPTH_MAX:
                element = self.element = self.element or Shape()
                for one in value:
                    element.see(one, depth + 1)
        else:
            self.mask |= _OBJECT
            if not (self.open or self.mask & ~_OBJECT) and depth < SQL_STRUCT_DEPTH_MAX:
                self._see_fields(value, depth)

    def _see_fields(self, value: dict[str, Any], depth: int) -> None:
        fields = self.fields
        if fields is None:
            fields = self.fields = {}
        for key, one in value.items():
            shape = fields.get(key)
            if shape is None:
                shape = fields[key] = Shape()
            shape.see(one, depth + 1)
        if len(fields) > SQL_STRUCT_KEYS_MAX:
            self.open, self.fields = True, None

    def structure(self) -> Structure:
        """The narrowest type that holds everything seen."""
        if self.mask == _LIST and self.element is not None:
            return [self.element.structure()]
        if self.mask == _OBJECT and self.fields and not self.open and _distinct(self.fields):
            return {key: shape.structure() for key, shape in self.fields.items()}
        return _SIMPLE.get(self.mask, "JSON")


class Columns:
    """The columns of a table, by the keys of its items."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._names: dict[str, str] = {}
        self._renamed: dict[str, str] = {}
        self.count = 0
        """Items seen."""

    def see(self, items: list[dict[str, Any]]) -> bool:
        """Take in items; True if ``renamed`` has to change some. Raises TooManyColumns."""
        shapes, masks = self._shapes, _MASKS
        for item in items:
            for key, value in item.items():
                shape = shapes.get(key)
                if shape is None:
                    shape = self._add(key)
                known = masks.get(type(value))
                if known is None:
                    shape.see(value, 0)
                else:
                    shape.mask |= known
        self.count += len(items)
        return bool(self._renamed) and any(not self._renamed.keys().isdisjoint(item) for item in items)

    def renamed(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item with the names of columns for its keys."""
        renamed = self._renamed
        return {renamed.get(key, key): value for key, value in item.items()}

    def structure(self) -> dict[str, Structure]:
        """The type of each column by its name."""
        return {self._renamed.get(key, key): shape.structure() for key, shape in self._shapes.items()}

    def _add(self, key: str) -> Shape:
        """A new column. SQL knows no case in names: of two keys that differ by it alone the later gets a number."""
        if len(self._shapes) >= COLUMNS_MAX:
            raise TooManyColumns
        name, number = key or NAMELESS, 0
        while name.lower() in self._names:
            number += 1
            name = f"{key or NAMELESS}_{number}"
        self._names[name.lower()] = key
        if name != key:
            self._renamed[key] = name
        shape = self._shapes[key] = Shape()
        return shape


def _of_whole(value: int) -> int:
    if _WHOLE_MIN <= value <= _WHOLE_MAX:
        return _WHOLE
    return _LONG if 0 < value <= _LONG_MAX else _FRACTION


def _distinct(fields: dict[str, Shape]) -> bool:
    """Whether the keys can be names of fields: not empty, and different in more than case."""
    return "" not in fields and len({key.lower() for key in fields}) == len(fields)
