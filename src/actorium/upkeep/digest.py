"""What a set of things adds up to, whatever their order: how many, and a checksum that no lost or changed one survives.

Engines sort texts differently, so the digests of the members are added, not chained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import msgpack

_MODULUS = 1 << 256
SHOWN_CHARS = 12


@dataclass(slots=True)
class Digest:
    """A count, bytes, and the sum of the SHA-256 of each member."""

    count: int = 0
    size: int = 0
    total: int = 0

    def add(self, values: Sequence[Any], *, size: int = 0) -> None:
        """Add a member: what it consists of, as null, integers, floats, texts and bytes."""
        self.count += 1
        self.size += size
        self.total += int.from_bytes(hashlib.sha256(msgpack.encode(values)).digest(), "big")
        self.total %= _MODULUS

    def __str__(self) -> str:
        return f"{self.total:064x}"[:SHOWN_CHARS]
