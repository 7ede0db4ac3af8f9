"""A loop's tick: books what ended, and stops runs before a brake would be passed.

Each running run has a span reserved: until the next look, for a graceful end and some more. As long as what is spent
and reserved fits a brake, all that runs could still be ended gracefully at the next look without passing it, and this
one may wait. What does not fit any more is stopped: runs that wait, then the newest. What has worked longest goes on
longest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog
from msgspec import structs

from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.errors import StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    BRAKE_STOPS_PER_WRITE,
    SPENDING_KEPT_DAYS,
    SPENDING_ROWS_PER_PRUNE,
    SPENDING_RUNS_PER_WRITE,
    SPENDING_WRITES_PER_TICK,
)
from actorium.runs import store as runs_store
from actorium.runs.brakes import spending, store
from actorium.runs.brakes.ledger import Ledger, ledger_in
from actorium.runs.brakes.model import Brake
from actorium.runs.brakes.service import reason
from actorium.runs.changes import save
from actorium.runs.lifecycle import Event, RunStatus, step
from actorium.runs.row import Run
from actorium.runs.view import Views
from actorium.users import store as users_store

log = structlog.get_logger()


class BrakeLoop:
    """Stops runs in time."""

    def __init__(self, database: Database, *, views: Views, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._views = views
        self._clock = clock
        self._ids = ids
        self._pruned_day = 0

    async def tick(self) -> None:
        """Book, then look at every user who has a brake and something that runs."""
        await self._book()
        for owner_id in await self._database.read(store.braked_owners):
            ledger = await self._database.read(self._ledger_of(owner_id))
            if any(ledger.is_over(brake) for brake in ledger.brakes):
                while await self._try(self._stop_of(owner_id)):
                    pass  # each has stopped as many as one transaction may
        await self._prune()

    async def _book(self) -> None:
        for _ in range(SPENDING_WRITES_PER_TICK):
            now = self._clock.now()
            today = spending.day_of(now)
            ids = await self._database.read(
                lambda tx, today=today, now=now: store.to_book(tx, today=today, now=now, limit=SPENDING_RUNS_PER_WRITE)  # type: ignore[misc]
            )
            if ids:
                await self._database.write(lambda tx, ids=ids: self._book_in(tx, ids))  # type: ignore[misc]
            if len(ids) < SPENDING_RUNS_PER_WRITE:
                return

    def _book_in(self, tx: Tx, run_ids: list[str]) -> None:
        runs = [run for run_id in run_ids if (run := runs_store.find(tx, run_id)) is not None]
        for owner_id in sorted({run.owner_id for run in runs}):
            users_store.hold(tx, owner_id)
        for run in runs:
            spending.book_in(tx, self._views, run, self._clock.now())

    async def _try(self, work: Callable[[Tx], bool]) -> bool:
        try:
            return await self._database.write(work)
        except StaleWrite:
            return False  # somebody changed a run at the same moment: the next tick looks again

    def _ledger_of(self, owner_id: str) -> Callable[[Tx], Ledger]:
        def work(tx: Tx) -> Ledger:
            return ledger_in(tx, self._views, owner_id, store.of_owner(tx, owner_id), self._clock.now())

        return work

    def _stop_of(self, owner_id: str) -> Callable[[Tx], bool]:
        """Whether there is more to stop."""

        def work(tx: Tx) -> bool:
            users_store.hold(tx, owner_id)
            ledger = self._ledger_of(owner_id)(tx)
            return any(self._keep_in(tx, ledger, brake) for brake in sorted(ledger.brakes, key=ledger.left))

        return work

    def _keep_in(self, tx: Tx, ledger: Ledger, brake: Brake) -> bool:
        """Stop what one brake asks for: runs that wait for a place, then the newest. Whether more of them wait."""
        if not ledger.is_over(brake):
            return False
        waiting = store.newest_waiting(tx, brake, BRAKE_STOPS_PER_WRITE)
        for run in (found for run_id in waiting if (found := runs_store.find(tx, run_id)) is not None):
            if not ledger.is_over(brake):
                return False
            self._stop_in(tx, ledger, brake, run)
            ledger.stopped(run)
        if len(waiting) == BRAKE_STOPS_PER_WRITE:
            return True
        asked = [one for one in ledger.under(brake) if one.run.life.is_graceful and _goes_on(one.run, ledger.now)]
        going = [one for one in ledger.under(brake) if one.run.status is RunStatus.RUNNING]
        for one in asked:  # they may stay longer than was reserved for them, where their timeout came first
            if not ledger.is_over(brake):
                return False
            one.run = self._end_in(tx, one.run)
        for one in sorted(going, key=lambda one: (one.run.started_at, one.run.id), reverse=True):
            if not ledger.is_over(brake):
                return False
            one.run = self._stop_in(tx, ledger, brake, one.run)
        return False

    def _end_in(self, tx: Tx, run: Run) -> Run:
        """Leave a run no more of the time that a graceful abort gave it."""
        now = self._clock.now()
        life = replace(run.life, kill_at=now)
        return save(tx, run, replace(run, life=life), now=now, event_id=self._ids.new())

    def _stop_in(self, tx: Tx, ledger: Ledger, brake: Brake, run: Run) -> Run:
        now = self._clock.now()
        gracefully = brake.limit_nanos > 0 and run.life.attempt_started_at is not None and ledger.grace_fits(run)
        why = reason(ledger, brake)
        life = replace(run.life, status_message=why, is_status_message_terminal=True)
        life = step(life, Event.ABORT_GRACEFULLY if gracefully else Event.ABORT, now)
        document = structs.replace(run.document, why_aborted=why)
        after = save(tx, run, replace(run, life=life, document=document), now=now, event_id=self._ids.new())
        log.info("run.braked", run_id=run.id, gracefully=gracefully, reason=why)
        return after

    async def _prune(self) -> None:
        today = spending.day_of(self._clock.now())
        if self._pruned_day == today:
            return
        before = today - SPENDING_KEPT_DAYS
        while await self._database.write(lambda tx: store.prune(tx, before, SPENDING_ROWS_PER_PRUNE)):
            pass
        self._pruned_day = today


def _goes_on(run: Run, now: Instant) -> bool:
    """Whether a run that is being aborted has time left."""
    return run.status is RunStatus.ABORTING and run.life.kill_at is not None and run.life.kill_at > now
