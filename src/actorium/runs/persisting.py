"""Asking a running Actor to write its state, and waiting until it has: no asking again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgspec import structs

from actorium.database import Database, Tx
from actorium.events.waiters import Bell, Waiters
from actorium.kernel.clock import Clock
from actorium.kernel.limits import FORK_PERSIST_SECS, FORK_SETTLED_SECS
from actorium.kernel.principal import Principal
from actorium.key_value_stores.service import KeyValueStores
from actorium.key_value_stores.store import WRITES
from actorium.runs.changes import ENDED
from actorium.runs.lifecycle import TERMINAL, RunStatus
from actorium.runs.row import Run
from actorium.runs.service import Runs

ASLEEP = TERMINAL | {RunStatus.READY}
"""Nothing of such a run is only in its memory."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait."""

    secs: float = FORK_PERSIST_SECS
    """In all."""
    settled_secs: float = FORK_SETTLED_SECS
    """After each record for the next one."""


class Persisting:
    """Has runs write their state, over the events that Actors listen to."""

    def __init__(
        self, runs: Runs, database: Database, *, waiters: Waiters, stores: KeyValueStores, clock: Clock,
        patience: Patience,
    ) -> None:  # fmt: skip
        self.patience = patience
        self._runs = runs
        self._database = database
        self._waiters = waiters
        self._stores = stores
        self._clock = clock

    async def persist(self, principal: Principal, run_id: str) -> bool:
        """Send ``persistState`` and wait until the run has written to its default store, or for so long.

        Whether it has, or has ended, or is not running at all. Raises RunNotFound, Forbidden.
        """
        run = await self._database.read(lambda tx: self._runs.owned_in(tx, principal, run_id))
        if run.status in ASLEEP:
            return True
        store_id = run.document.storage_ids.key_value_stores["default"]
        with self._waiters.watch((WRITES, store_id), (ENDED, run_id)) as bell:
            before = await self._ask(principal, run_id, store_id)
            return await self._written(principal, run_id, store_id, before, bell)

    async def _ask(self, principal: Principal, run_id: str, store_id: str) -> int:
        """Note in the run's row what its socket then tells; how often the store was written to until then."""
        now, before = self._clock.now(), 0

        def change(tx: Tx, run: Run) -> Run:
            nonlocal before
            self._stores.await_writes_in(tx, store_id, now.plus(secs=2 * self.patience.secs))
            before = self._stores.write_count_in(tx, store_id)
            return replace(run, document=structs.replace(run.document, persist_at=int(now)))

        await self._runs.change(principal, run_id, change)
        return before

    async def _written(self, principal: Principal, run_id: str, store_id: str, before: int, bell: Bell) -> bool:
        def look(tx: Tx) -> tuple[RunStatus, int]:
            return self._runs.owned_in(tx, principal, run_id).status, self._stores.write_count_in(tx, store_id)

        until, seen = self._clock.monotonic() + self.patience.secs, before
        while True:
            left = until - self._clock.monotonic()
            pause = left if seen == before else min(left, self.patience.settled_secs)
            if pause <= 0 or not await bell.ring(pause):
                return seen > before
            status, seen = await self._database.read(look)
            if status in ASLEEP:
                return True
