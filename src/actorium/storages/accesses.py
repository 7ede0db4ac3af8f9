"""When storages were used and how often they were read, added up in memory: a read costs no write.

The times and counts reach the rows with the next flush, a few seconds later; a crash loses one interval of them.
Views add what is still in memory, so within one server process they are exact.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from actorium.database import Database, Tx
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant
from actorium.kernel.limits import ACCESSES_PENDING_MAX, ACCESSES_PER_WRITE
from actorium.storages.kinds import Kind
from actorium.storages.store import StorageTable


@dataclass(slots=True)
class Use:
    """What one storage was used for since the last flush."""

    at: Instant
    reads: int = 0
    lists: int = 0


UNUSED = Use(Instant(0))


class Accesses:
    """Uses of storages of every kind that are not in their rows yet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._uses: dict[tuple[Kind, str], Use] = {}

    def saw(self, kind: Kind, id: str, now: Instant, *, reads: int = 0, lists: int = 0) -> None:
        """Note a use. Beyond the limit of storages in memory, uses of further ones are not counted."""
        use = self._uses.get((kind, id))
        if use is None:
            if len(self._uses) >= ACCESSES_PENDING_MAX:
                return
            use = self._uses[kind, id] = Use(now)
        use.at = max(use.at, now)
        use.reads += reads
        use.lists += lists

    def pending(self, kind: Kind, id: str) -> Use:
        """What the row does not know yet."""
        return self._uses.get((kind, id), UNUSED)

    async def flush(self) -> None:
        """Bring everything noted so far into the rows. Meant for a loop; raises BackendUnavailable, losing nothing."""
        uses, self._uses = self._uses, {}
        waiting = list(uses.items())
        failure: BackendUnavailable | None = None
        while waiting and failure is None:
            batch, waiting = waiting[:ACCESSES_PER_WRITE], waiting[ACCESSES_PER_WRITE:]
            # each in a work of its own: one work that changed many rows could meet another crosswise
            works = [
                self._database.write(partial(_save, kind=kind, id=storage_id, use=use), lane=storage_id)
                for (kind, storage_id), use in batch
            ]
            for entry, result in zip(batch, await asyncio.gather(*works, return_exceptions=True), strict=True):
                if isinstance(result, BackendUnavailable):
                    failure = result
                    waiting.append(entry)
                elif isinstance(result, BaseException):
                    raise result
        for (kind, storage_id), use in waiting:
            self.saw(kind, storage_id, use.at, reads=use.reads, lists=use.lists)
        if failure is not None:
            raise failure


def _save(tx: Tx, *, kind: Kind, id: str, use: Use) -> None:
    StorageTable(kind).accessed(tx, [{"id": id, "at": int(use.at), "reads": use.reads, "lists": use.lists}])
