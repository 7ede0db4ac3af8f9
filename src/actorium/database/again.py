"""Deciding again after a compare-and-set that came too late."""

from __future__ import annotations

from typing import TypeVar

from actorium.database import Database, Work
from actorium.kernel.errors import StaleWrite, Unavailable
from actorium.kernel.limits import STALE_TRIES_MAX

T = TypeVar("T")


class Contended(Unavailable):
    """Too many callers are changing the same thing at this moment. Please try again."""


async def write_again(database: Database, work: Work[T], /, *, lane: str = "") -> T:
    """Run a work that reads, decides and compares-and-sets until nobody came between. Raises Contended."""
    for _ in range(STALE_TRIES_MAX):
        try:
            return await database.write(work, lane=lane)
        except StaleWrite:
            continue
    raise Contended
