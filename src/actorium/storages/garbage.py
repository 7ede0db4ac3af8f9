"""Deletes blobs that no row names any more: rows of ``blob_garbage``, written with the deletion, executed here."""

from __future__ import annotations

from functools import partial

from actorium.blobs import Blobs
from actorium.database import Database
from actorium.storages.store import discarded_blobs, forget_discarded


class GarbageCollector:
    """One tick: a bounded number of blobs. What was deleted twice, or by a server that then died, is simply gone.

    A blob that copies share was discarded by one of them and stays with the others; the last one discards it again.
    """

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def tick(self) -> None:
        """Delete what has been waiting longest; the row goes last, so that nothing is forgotten."""
        while found := await self._database.read(discarded_blobs):
            for blob in found:
                if not blob.is_shared:
                    await self._blobs.delete(blob.key)
            await self._database.write(partial(forget_discarded, blobs=found))
