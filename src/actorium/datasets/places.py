"""Where the items of a chunk begin: every so many-th of them, so that a page reads only the bytes around it.

Kept as unsigned 32-bit little-endian numbers: how many items lie between two places, then the offset in bytes of each
place but the first, which is 0. Items are joined by newlines, so an item ends a byte before the next one begins.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate

from actorium.kernel.limits import PLACE_BYTES

_WORD = 4


class Places:
    """Collects the places of items that come one after the other."""

    def __init__(self, *, count: int, size: int) -> None:
        """For a chunk of so many items and bytes, known beforehand."""
        self._stride = max(1, count * PLACE_BYTES // max(size, 1))
        self._offsets = [self._stride]
        self._seen = 0
        self._offset = 0

    def add(self, items: Sequence[bytes]) -> None:
        """Note the next items."""
        ends = [0, *accumulate(map(len, items))]
        first = -self._seen % self._stride if self._seen else self._stride
        self._offsets += [self._offset + ends[at] + at for at in range(first, len(items), self._stride)]
        self._seen += len(items)
        self._offset += ends[-1] + len(items)

    def packed(self) -> bytes:
        """What ``before`` and ``after`` read."""
        return struct.pack(f"<{len(self._offsets)}I", *self._offsets)


def before(places: bytes, item: int) -> tuple[int, int]:
    """The last place not after an item: which item begins there, and at which byte."""
    stride = _word(places, 0)
    place = item // stride
    return (place * stride, _word(places, place)) if place else (0, 0)


def after(places: bytes, item: int, *, count: int, size: int) -> tuple[int, int]:
    """The first place not before the end of an item: how many items end there, and at which byte."""
    stride = _word(places, 0)
    place = item // stride + 1
    if place * _WORD >= len(places):
        return count, size
    return place * stride, _word(places, place) - 1


def back(places: bytes, item: int, *, size: int, reach: int) -> tuple[int, int]:
    """The last place that is so many bytes before the end of an item, or the beginning: its item and byte."""
    place = item // _word(places, 0)
    end = _word(places, place + 1) - 1 if (place + 2) * _WORD <= len(places) else size
    while place > 0 and end - _word(places, place) < reach:
        place -= 1
    return (place * _word(places, 0), _word(places, place)) if place else (0, 0)


def _word(places: bytes, at: int) -> int:
    return int.from_bytes(places[at * _WORD : at * _WORD + _WORD], "little")
