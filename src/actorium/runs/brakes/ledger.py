"""What a user's runs have spent today and what they may still cost before they could be stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from actorium.database import Tx
from actorium.kernel.instant import Instant
from actorium.kernel.limits import BRAKE_END_SECS, BRAKE_SPAN_SECS, GRACEFUL_ABORT_SECS, TIMING_OUT_SECS
from actorium.kernel.meter import Usage
from actorium.runs import store as runs_store
from actorium.runs.brakes import store
from actorium.runs.brakes.model import NANOS, Brake
from actorium.runs.brakes.spending import day_of, since_booked_in
from actorium.runs.brakes.store import Waiting
from actorium.runs.costs import pays_platform
from actorium.runs.lifecycle import STOPPING, TERMINAL, RunStatus
from actorium.runs.row import Run
from actorium.runs.view import Views


@dataclass(slots=True)
class Standing:
    """One run that spends, or may."""

    run: Run
    spent_nanos: int
    """Today, and not booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The brakes of one user at one moment."""

    now: Instant
    brakes: list[Brake]
    standings: list[Standing]
    """Of runs that have begun."""
    waiting: list[Waiting]
    booked: Mapping[Brake, int]
    unit_usd: float
    """What a compute unit costs."""

    def spent(self, brake: Brake) -> int:
        """Nanos spent today."""
        return self.booked[brake] + sum(one.spent_nanos for one in self.under(brake))

    def reserved(self, brake: Brake) -> int:
        """Nanos that unfinished runs cost until they could be stopped."""
        memory = sum(one.memory_mbytes for one in self.waiting if brake.is_on(one.actor_id, one.task_id))
        return self._price(memory, BRAKE_SPAN_SECS) + sum(self.commitment(one.run) for one in self.under(brake))

    def left(self, brake: Brake) -> int:
        """Nanos that nobody has spent or reserved; below 0: something has to stop."""
        return brake.limit_nanos - self.spent(brake) - self.reserved(brake)

    def is_over(self, brake: Brake, *, needed: int = 0) -> bool:
        """Whether a brake does not pay for so many nanos more. One of 0 also stops what costs nothing."""
        return brake.limit_nanos == 0 or needed > self.left(brake)

    def under(self, brake: Brake) -> list[Standing]:
        """The runs that have begun and spend from a brake."""
        return [one for one in self.standings if brake.holds_for(one.run)]

    def of(self, run: Run) -> list[Brake]:
        """The brakes that a run is under, the one with the least left in front."""
        return sorted((brake for brake in self.brakes if brake.holds_for(run)), key=self.left)

    def stopped(self, run: Run) -> None:
        """A run that waited does so no more."""
        for one in self.waiting:
            if (one.actor_id, one.task_id) == (run.actor_id, run.task_id):
                one.memory_mbytes -= run.options.memory_mbytes

    def commitment(self, run: Run) -> int:
        """What a run costs until it could be stopped, if that begins with the loop's next look."""
        return self._computing(run, secs_committed(run, self.now))

    def grace_fits(self, run: Run) -> bool:
        """Whether the brakes of a run pay for a graceful end of all that is under them."""
        return all(self._with_grace(brake) <= brake.limit_nanos for brake in self.of(run))

    def _with_grace(self, brake: Brake) -> int:
        """What a brake's runs have spent today if all of them are asked to end now: those that wait cost nothing."""
        return self.spent(brake) + sum(
            self._computing(one.run, min(secs_committed(one.run, self.now), GRACEFUL_ABORT_SECS + BRAKE_END_SECS))
            for one in self.under(brake)
        )

    def _computing(self, run: Run, secs: float) -> int:
        if not pays_platform(run):
            return 0
        return self._price(run.options.memory_mbytes, secs)

    def _price(self, memory_mbytes: int, secs: float) -> int:
        return math.ceil(memory_mbytes / 1024 * secs / 3600 * self.unit_usd * NANOS)


def secs_committed(run: Run, now: Instant) -> float:
    """How long a run may go on until it could be stopped: a span, or less if it is ending or has a deadline."""
    life = run.life
    if life.status in TERMINAL:
        return 0
    if life.status in STOPPING and life.attempt_started_at is None:
        return 0
    if life.status in STOPPING and life.kill_at is not None:
        return max(now.secs_until(life.kill_at), 0) + BRAKE_END_SECS
    if life.deadline_at is not None:
        ends_in: float = max(now.secs_until(life.deadline_at), 0)
    elif life.status is RunStatus.READY and life.timeout_secs:
        ends_in = life.timeout_secs
    else:
        return BRAKE_SPAN_SECS
    return min(BRAKE_SPAN_SECS, ends_in + TIMING_OUT_SECS + BRAKE_END_SECS)


def ledger_in(tx: Tx, views: Views, owner_id: str, brakes: list[Brake], now: Instant) -> Ledger:
    """How a user's brakes stand.

    Runs that wait are read first, then those that have begun, then sums: what goes on in between counts twice, never
    not at all. Those that wait reserve a whole span, whatever their timeout and whoever pays.
    """
    today = day_of(now)
    waiting = store.waiting(tx, owner_id)
    standings = []
    for account in store.live(tx, owner_id):
        run = runs_store.find(tx, account.run_id)
        if run is not None:
            spent = since_booked_in(tx, views, run, account, now)
            standings.append(Standing(run, spent.get(today, 0)))
    return Ledger(
        now=now,
        brakes=brakes,
        standings=standings,
        waiting=waiting,
        booked={brake: store.spent(tx, brake, today) for brake in brakes},
        unit_usd=views.prices[Usage.ACTOR_COMPUTE_UNITS],
    )
