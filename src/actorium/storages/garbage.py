"""Deletes blobs that no row names any more: rows of ``blob_garbage``, written with the deletion, executed here."""

from __future__ import annotations

from functools import partial

from actorium.blobs import Blobs
from actorium.database import Database, Tx
from actorium.kernel.limits import GARBAGE_PER_TICK


class GarbageCollector:
    """One tick: a bounded number of blobs. What was deleted twice, or by a server that then died, is simply gone."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def tick(self) -> None:
        """Delete what has been waiting longest; the row goes last, so that nothing is forgotten."""
        while keys := await self._database.read(_waiting):
            for key in keys:
                await self._blobs.delete(key)
            await self._database.write(partial(_forget, keys=keys))


def _waiting(tx: Tx) -> list[str]:
    rows = tx.all("SELECT key FROM blob_garbage ORDER BY created_at, key LIMIT :limit", limit=GARBAGE_PER_TICK)
    return [row["key"] for row in rows]


def _forget(tx: Tx, keys: list[str]) -> None:
    tx.many("DELETE FROM blob_garbage WHERE key = :key", [{"key": key} for key in keys])
