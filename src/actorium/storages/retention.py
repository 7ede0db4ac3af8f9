"""Deletes unnamed storages that nobody has used for some days. Named ones stay; those of a kept run stay with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import structlog

from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.instant import Instant
from actorium.kernel.limits import DAY_SECS, RETIRED_STORAGES_PER_WRITE, RETIRED_WRITES_PER_TICK
from actorium.storages.accesses import Accesses
from actorium.storages.kinds import KINDS, Kind
from actorium.storages.store import StorageTable

log = structlog.get_logger()

IsKept = Callable[[Tx, str], bool]
"""Whether there is still a run of this id, asked in a transaction."""


class StorageRetention:
    """Looks at storages in the order of the last use that was known at the last look, and forgets the idle ones.

    A storage that turns out to be in use, or to belong to a run, is looked at again when it may be idle at last, so
    that each costs one look in ``days`` whatever happens to it. Several servers may do this at once: each deletion
    asks again in its own statement.
    """

    def __init__(self, database: Database, clock: Clock, *, accesses: Accesses, is_kept: IsKept, days: int) -> None:
        self._database = database
        self._clock = clock
        self._accesses = accesses
        self._is_kept = is_kept
        self._days = days
        self._tables = [StorageTable(kind) for kind in KINDS]

    async def tick(self) -> None:
        """A bounded number of storages of each kind. Reads that are only noted in memory count."""
        if self._days == 0:
            return
        await self._accesses.flush()
        for table in self._tables:
            for _ in range(RETIRED_WRITES_PER_TICK):
                due = await self._database.read(self._due(table))
                if due:
                    await self._database.write(partial(self._look, table=table, due=due))
                if len(due) < RETIRED_STORAGES_PER_WRITE:
                    break

    def _due(self, table: StorageTable) -> Callable[[Tx], list[tuple[str, str | None]]]:
        return partial(table.idle, before=idle_before(self._clock.now(), self._days), limit=RETIRED_STORAGES_PER_WRITE)

    def _look(self, tx: Tx, *, table: StorageTable, due: Sequence[tuple[str, str | None]]) -> None:
        now = self._clock.now()
        before = idle_before(now, self._days)
        for storage_id, run_id in sorted(due):  # rows are locked in one order everywhere
            if run_id is not None and self._is_kept(tx, run_id):
                table.look_again(tx, storage_id, at=now)
            elif table.delete_idle(tx, storage_id, before=before):
                log.info("storage.retired", kind=table.kind.table, storage_id=storage_id)
            else:
                table.look_again(tx, storage_id)


def idle_before(now: Instant, days: int) -> Instant:
    """What was used last at this moment or earlier has been idle for so many days."""
    return now.plus(secs=-days * DAY_SECS)


def is_idle(tx: Tx, kind: Kind, id: str, *, before: Instant) -> bool:
    """Whether a storage has no name and nobody read or wrote it after a moment. One that is gone is idle."""
    stored = StorageTable(kind).by_id(tx, id)
    return stored is None or (stored.name is None and max(stored.accessed_at, stored.modified_at) <= before)


def delete_idle(tx: Tx, kind: Kind, id: str, *, before: Instant) -> bool:
    """Delete a storage as long as it is idle; False if it is there and stays."""
    table = StorageTable(kind)
    return table.delete_idle(tx, id, before=before) or table.by_id(tx, id) is None
