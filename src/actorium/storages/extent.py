"""How much of a storage is copied when a copy of it is made: rows, and the bytes in them. Blobs are shared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """Of one storage or several. Counting may end where there is more than anybody would copy."""

    rows: int = 0
    size: int = 0
    """Bytes in rows, in blobs not counted."""

    def __add__(self, other: Extent) -> Extent:
        return Extent(self.rows + other.rows, self.size + other.size)


NOTHING = Extent()
