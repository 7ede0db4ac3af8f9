"""A loop's tick: aborts runs that have cost what they may. What is due is in rows, so a restart loses nothing.

Charges plan the abort some seconds ahead (``CHARGE_ABORT_SECS``): an Actor that stops by itself at its limit succeeds.
What the use of the platform comes to is looked at here, for runs that are charged for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from actorium.charging.service import Charging
from actorium.charging.terms import plain
from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.errors import StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.limits import USAGE_LIMIT_PERIOD_SECS
from actorium.logs.service import Logs
from actorium.runs import store
from actorium.runs.brakes.service import Brakes
from actorium.runs.changes import save
from actorium.runs.facts import facts_of
from actorium.runs.lifecycle import ALLOWED, Event, RunStatus, step
from actorium.runs.row import Run, terms
from actorium.runs.view import Views


class ChargeLimits:
    """Ends runs at their limit."""

    def __init__(
        self, database: Database, *, charging: Charging, brakes: Brakes, views: Views, logs: Logs, clock: Clock,
        ids: Ids,
    ) -> None:  # fmt: skip
        self._database = database
        self._charging = charging
        self._brakes = brakes
        self._views = views
        self._logs = logs
        self._clock = clock
        self._ids = ids
        self._known: dict[str, Run] = {}
        self._usage_due = 0.0

    async def tick(self) -> None:
        """Abort what is due."""
        for run_id in await self._database.read(self._charging.due_in):
            await self._try(partial(self._abort_due_in, run_id=run_id))
        if self._clock.monotonic() >= self._usage_due:
            self._usage_due = self._clock.monotonic() + USAGE_LIMIT_PERIOD_SECS
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
        """Runs whose use of the platform has come to their limit."""
        runs = store.live(tx, self._known)
        self._known = {run.id: run for run in runs}
        return [run.id for run in runs if self._is_spent_in(tx, run)]

    def _is_spent_in(self, tx: Tx, run: Run) -> bool:
        limit = terms(run).max_total_usd
        if limit is None or terms(run).is_charged or run.status is not RunStatus.RUNNING:
            return False
        return self._views.usage_usd(run, facts_of(tx, run), self._clock.now()) >= limit

    def _abort_spender_in(self, tx: Tx, run_id: str) -> None:
        run = store.find(tx, run_id)
        if run is not None and self._is_spent_in(tx, run):
            self._abort_in(tx, run)

    def _abort_in(self, tx: Tx, run: Run | None) -> None:
        if run is None or run.status not in ALLOWED[Event.ABORT_GRACEFULLY]:
            return
        now, life = self._clock.now(), run.life
        why = self._own_limit_in(tx, run)
        if why is None:
            why = self._brakes.reason_in(tx, run)
            life = replace(life, status_message=why, is_status_message_terminal=True)
        after = replace(run, life=step(life, Event.ABORT_GRACEFULLY, now))
        save(tx, run, after, now=now, event_id=self._ids.new())
        line = f"ACTOR: {why}."
        self._logs.append_in(tx, run.id, [(now, line.encode())])

    def _own_limit_in(self, tx: Tx, run: Run) -> str | None:
        """That the run has come to its own limit; None: then it was a brake of its owner's."""
        agreed = terms(run)
        if agreed.max_total_usd is None:
            return None
        if agreed.is_charged and not agreed.is_spent(agreed.charged_usd(facts_of(tx, run).charged)):
            return None
        return f"The run has reached its maxTotalChargeUsd of {plain(agreed.max_total_usd)} USD and is aborted"
