"""Deletes runs that ended some days ago, with their logs and default storages. The newest of each Actor stay."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import structlog

from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.limits import RETIRED_RUNS_PER_TICK
from actorium.logs.service import Logs
from actorium.runs import store
from actorium.runs.row import Run
from actorium.storages.accesses import Accesses
from actorium.storages.kinds import DATASETS, KEY_VALUE_STORES, REQUEST_QUEUES, Kind
from actorium.storages.retention import delete_idle, idle_before, is_idle
from actorium.webhooks.service import forget_run_in

log = structlog.get_logger()


class RunRetention:
    """Walks over the runs that ended long ago, in the order of their ends, again and again.

    A run stays while it is among the newest of its Actor and starter, while one of its default storages has a name,
    and while somebody has used one of them within ``days``. The transaction that deletes a run asks all of that again,
    so that a run which was resurrected or whose results were read or named in between stays whole.
    """

    def __init__(
        self, database: Database, clock: Clock, *, logs: Logs, accesses: Accesses, days: int, newest_kept: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._logs = logs
        self._accesses = accesses
        self._days = days
        self._newest_kept = newest_kept
        self._place = store.BEFORE_ALL

    async def tick(self) -> None:
        """A bounded number of runs, beginning where the last tick ended."""
        if self._days == 0:
            return
        await self._accesses.flush()
        before = idle_before(self._clock.now(), self._days)
        places = await self._database.read(
            partial(store.finished, before=before, after=self._place, limit=RETIRED_RUNS_PER_TICK)
        )
        for place in places:
            run = await self._database.read(partial(self._due, run_id=place.run_id))
            if run is not None:
                await self._retire(run)
        self._place = places[-1] if len(places) == RETIRED_RUNS_PER_TICK else store.BEFORE_ALL

    async def _retire(self, run: Run) -> None:
        try:
            await self._database.write(partial(self._delete, run_id=run.id), lane=run.owner_id)
        except _InUse:
            return
        log.info("run.retired", run_id=run.id)

    def _due(self, tx: Tx, run_id: str) -> Run | None:
        """The run, if it is to go now."""
        before = idle_before(self._clock.now(), self._days)
        run = store.find(tx, run_id)
        if run is None or run.life.finished_at is None or run.life.finished_at > before:
            return None
        if store.is_among_newest(tx, run, self._newest_kept):
            return None
        return run if all(is_idle(tx, kind, one, before=before) for kind, one in _default_storages(run)) else None

    def _delete(self, tx: Tx, run_id: str) -> None:
        run = self._due(tx, run_id)
        if run is None or not store.delete(tx, run):
            raise _InUse
        before = idle_before(self._clock.now(), self._days)
        for kind, storage_id in _default_storages(run):
            if not delete_idle(tx, kind, storage_id, before=before):
                raise _InUse
        self._logs.delete_in(tx, run.id)
        forget_run_in(tx, run.id)


class _InUse(Exception):
    """Something has happened to the run since it was looked at: nothing of it is deleted."""


def _default_storages(run: Run) -> Iterator[tuple[Kind, str]]:
    ids = run.document.storage_ids
    for kind, of_kind in (
        (DATASETS, ids.datasets),
        (KEY_VALUE_STORES, ids.key_value_stores),
        (REQUEST_QUEUES, ids.request_queues),
    ):
        for storage_id in of_kind.values():
            yield kind, storage_id
