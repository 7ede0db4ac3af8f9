"""Statistics of the fields that a dataset's schema names: of each segment, and added up. Pure.

Numbers count by their value, texts and arrays by their length, objects by the number of their keys, booleans as 0 or 1.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from actorium.kernel.limits import COLUMNS_MAX

_ABSENT = object()
_INTEGER_MAX = 2**63 - 1  # beyond, JSON readers differ


class FieldStatistics(msgspec.Struct, array_like=True):
    """What is known of one field."""

    min: int | float | None = None
    max: int | float | None = None
    nulls: int = 0
    absent: int = 0

    def see(self, value: Any) -> None:
        """Count one item's value."""
        if value is _ABSENT:
            self.absent += 1
        elif value is None:
            self.nulls += 1
        else:
            measure = _measure(value)
            self._reach(measure, measure)

    def join(self, other: FieldStatistics) -> None:
        """Add what is known of other items."""
        self.nulls += other.nulls
        self.absent += other.absent
        if other.min is not None and other.max is not None:
            self._reach(other.min, other.max)

    def _reach(self, lowest: float, highest: float) -> None:
        if self.min is None or lowest < self.min:
            self.min = lowest
        if self.max is None or highest > self.max:
            self.max = highest


_TEXT = msgspec.json.Decoder(dict[str, FieldStatistics])


class Statistics:
    """Of all fields of a schema."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = {name: FieldStatistics() for name in fields}

    def add(self, item: dict[str, Any]) -> None:
        """Take in one item."""
        for name, field in self.fields.items():
            field.see(item.get(name, _ABSENT))

    def join(self, text: str) -> None:
        """Take in what ``text`` said about other items."""
        other = _TEXT.decode(text)
        for name, field in self.fields.items():
            field.join(other[name])

    def text(self) -> str:
        """All of it as JSON."""
        return msgspec.json.encode(self.fields).decode()


def fields_of(schema: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """The fields that a dataset's schema describes, up to the number of columns; None if it has no schema of fields."""
    fields = (schema or {}).get("fields")
    if not isinstance(fields, dict) or not fields:
        return None
    properties = fields.get("properties")
    return tuple(properties)[:COLUMNS_MAX] if isinstance(properties, dict) else ()


def _measure(value: Any) -> float:
    if isinstance(value, str | list | dict):
        return len(value)
    if isinstance(value, int):
        return int(value) if -_INTEGER_MAX <= value <= _INTEGER_MAX else _float(value)
    return _float(value)


def _float(value: float) -> float:
    """The nearest number that JSON can tell."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    return max(-sys.float_info.max, min(number, sys.float_info.max))
