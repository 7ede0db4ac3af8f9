"""Removes what deleted storages left behind, a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.instant import Instant
from actorium.kernel.limits import SWEPT_ROWS_PER_WRITE
from actorium.storages.kinds import Kind
from actorium.storages.store import remains, swept

STORAGES_PER_TICK = 100

Clear = Callable[[Tx, str, int, Instant], bool]
"""Removes up to so many rows of a storage's contents; True when nothing is left."""


class Sweeper:
    """One tick for all kinds of storage."""

    def __init__(self, database: Database, clock: Clock, clears: Mapping[Kind, Clear]) -> None:
        self._database = database
        self._clock = clock
        self._clears = clears

    async def tick(self) -> None:
        """Clear the contents of what was deleted so far."""
        for kind, clear in self._clears.items():
            for storage_id in await self._database.read(partial(remains, kind=kind, limit=STORAGES_PER_TICK)):
                step = partial(self._step, kind=kind, clear=clear, storage_id=storage_id)
                while not await self._database.write(step):
                    pass

    def _step(self, tx: Tx, *, kind: Kind, clear: Clear, storage_id: str) -> bool:
        done = clear(tx, storage_id, SWEPT_ROWS_PER_WRITE, self._clock.now())
        if done:
            swept(tx, kind, storage_id)
        return done
