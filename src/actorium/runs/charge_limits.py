"""A loop's tick: aborts runs that have cost what they may. What is due is in rows, so a restart loses nothing.

Charges plan the abort some seconds ahead (``CHARGE_ABORT_SECS``): an Actor that stops by itself at its limit succeeds.
What the use of the platform comes to is looked at here, for runs that are charged for nothing else, and ahead: they
have ended when their limit is used up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from msgspec import structs

from actorium.charging.service import Charging
from actorium.charging.terms import plain
from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.errors import StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.limits import CHARGE_LIMIT_PERIOD_SECS
from actorium.runs import store
from actorium.runs.allowance import allowance
from actorium.runs.brakes.service import Brakes
from actorium.runs.changes import save
from actorium.runs.facts import facts_of
from actorium.runs.lifecycle import ALLOWED, STOPPING, Event, Life, RunStatus, step
from actorium.runs.row import Run, terms
from actorium.runs.view import Views


class ChargeLimits:
    """Ends runs at their limit."""

    def __init__(
        self, database: Database, *, charging: Charging, brakes: Brakes, views: Views, clock: Clock,
        ids: Ids,
    ) -> None:  # fmt: skip
        self._database = database
        self._charging = charging
        self._brakes = brakes
        self._views = views
        self._clock = clock
        self._ids = ids
        self._known: dict[str, Run] = {}

    async def tick(self) -> None:
        """Abort what is due."""
        for run_id in await self._database.read(self._charging.due_in):
            await self._try(partial(self._abort_due_in, run_id=run_id))
        for run_id in await self._database.read(self._spenders_in):
            await self._try(partial(self._abort_spender_in, run_id=run_id))

    async def _try(self, work: Callable[[Tx], None]) -> None:
        try:
            await self._database.write(work)
        except StaleWrite:
            return  # somebody changed the run at the same moment: the next tick looks again

    def _abort_due_in(self, tx: Tx, run_id: str) -> None:
        if self._charging.take_due_in(tx, run_id):
            self._abort_in(tx, store.find(tx, run_id))

    def _spenders_in(self, tx: Tx) -> list[str]:
        """Runs that have to end, so that they do not pass their limit."""
        runs = store.live(tx, self._known)
        self._known = {run.id: run for run in runs}
        return [run.id for run in runs if self._grace_in(tx, run) is not None]

    def _grace_in(self, tx: Tx, run: Run) -> float | None:
        """For how many seconds a run may still end; None: it may go on, or ends in time as it is."""
        agreed, life, now = terms(run), run.life, self._clock.now()
        if agreed.max_total_usd is None or agreed.is_charged or run.status is RunStatus.READY:
            return None
        if life.kill_at is not None and now.secs_until(life.kill_at) <= CHARGE_LIMIT_PERIOD_SECS:
            return None
        left = allowance(self._views, run, facts_of(tx, run), now)
        if left is None or run.status is RunStatus.RUNNING:
            return None if left is None else left.grace_secs
        return 0 if left.secs_left <= 0 else None  # it was asked by somebody who does not know its limit

    def _abort_spender_in(self, tx: Tx, run_id: str) -> None:
        run = store.find(tx, run_id)
        grace_secs = None if run is None else self._grace_in(tx, run)
        if run is None or grace_secs is None:
            return
        now, life = self._clock.now(), run.life
        if run.status is RunStatus.RUNNING:
            life = step(life, Event.ABORT_GRACEFULLY if grace_secs else Event.ABORT, now)
        life = replace(life, kill_at=now.plus(secs=grace_secs))
        limit = plain(terms(run).max_total_usd or 0)
        self._end_in(tx, run, life, f"What the run uses comes to its maxTotalChargeUsd of {limit} USD: it was aborted")

    def _abort_in(self, tx: Tx, run: Run | None) -> None:
        if run is None or run.status not in ALLOWED[Event.ABORT_GRACEFULLY]:
            return
        life = run.life
        why = self._own_limit_in(tx, run)
        if why is None:
            why = self._brakes.reason_in(tx, run)
            life = replace(life, status_message=why, is_status_message_terminal=True)
        self._end_in(tx, run, step(life, Event.ABORT_GRACEFULLY, self._clock.now()), why)

    def _end_in(self, tx: Tx, run: Run, life: Life, why: str) -> None:
        document = structs.replace(run.document, why_aborted=why)
        if life.status_message is None and run.status not in STOPPING:  # what an Actor or a user has said stays
            life = replace(life, status_message=why, is_status_message_terminal=True)
        save(tx, run, replace(run, life=life, document=document), now=self._clock.now(), event_id=self._ids.new())

    def _own_limit_in(self, tx: Tx, run: Run) -> str | None:
        """That the run has come to its own limit; None: then it was a brake of its owner's."""
        agreed = terms(run)
        if agreed.max_total_usd is None or not agreed.is_spent(agreed.charged_usd(facts_of(tx, run).charged)):
            return None
        return f"The run has reached its maxTotalChargeUsd of {plain(agreed.max_total_usd)} USD and was aborted"
