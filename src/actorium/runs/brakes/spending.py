"""What runs cost their owners, day by day.

A run's cost until now follows from its rows. What of it was booked stands in its account, so what it has spent today is
a difference, and nothing is written while a run goes on: only at its end, and once after each midnight that it lives
through. Spending of a day = what is booked + that difference for every account that is live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from actorium.database import Tx
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    DAY_SECS,
    RUN_TOKEN_GRACE_SECS,
    SPENDING_KEPT_DAYS,
    SPENDING_LATE_SECS,
    SPENDING_USD_MAX,
)
from actorium.kernel.meter import Usage
from actorium.runs.brakes import store
from actorium.runs.brakes.model import NANOS, subjects
from actorium.runs.brakes.store import CLOSED, ENDED, LIVE, Account
from actorium.runs.costs import in_list, pays_platform
from actorium.runs.facts import facts_of
from actorium.runs.lifecycle import TERMINAL, Life
from actorium.runs.row import Run
from actorium.runs.view import Views, units_of


def day_of(at: Instant) -> int:
    """Days since 1970, in UTC."""
    return int(at) // (DAY_SECS * 1000)


def begin_of(day: int) -> Instant:
    """The midnight with which a day begins."""
    return Instant(day * DAY_SECS * 1000)


def cost_in(tx: Tx, views: Views, run: Run, now: Instant) -> int:
    """What a run has cost its owner until now, in nanos."""
    facts = facts_of(tx, run)
    return round(min(in_list(run, facts.charged, views.usage_usd(run, facts, now)), SPENDING_USD_MAX) * NANOS)


def since_booked_in(tx: Tx, views: Views, run: Run, account: Account, now: Instant) -> dict[int, int]:
    """Nanos by day that a run has cost since it was booked.

    Computing is divided exactly at midnight. The rest (operations, transfer, charges) belongs to the day of the last
    booking: the tick after midnight makes that wrong by one period at the most.
    """
    today = day_of(now)
    rest = max(cost_in(tx, views, run, now) - account.booked_nanos, 0)
    if account.day >= today:
        return {today: rest}
    days: dict[int, int] = {}
    for day in range(max(account.day + 1, today - SPENDING_KEPT_DAYS), today + 1):
        end = min(begin_of(day + 1), now)
        used = _computing(views, run, end) - _computing(views, run, begin_of(day))
        days[day] = min(max(used, 0), rest)
        rest -= days[day]
    days[account.day] = rest
    return days


def open_in(tx: Tx, run: Run, nanos: int) -> None:
    """A new run begins to spend; so much is charged for its start, and booked with it."""
    day = day_of(run.started_at)
    account = Account(run_id=run.id, owner_id=run.owner_id, day=day, booked_nanos=nanos, state=LIVE)
    store.open_account(tx, account)
    if nanos:
        store.add_spending(tx, run.owner_id, [(kind, subject, day, nanos) for kind, subject in subjects(run)])


def turn_in(tx: Tx, views: Views, run: Run, now: Instant) -> None:
    """Before a live run is charged: after a midnight, book first what belongs to the day that is over."""
    before = store.account(tx, run.id)
    if before is not None and before.day < day_of(now):
        book_in(tx, views, run, now)


def charge_in(tx: Tx, run: Run, nanos: int, now: Instant) -> None:
    """Book at once what a run is charged that waits for its place: ledgers do not look at what it costs."""
    before = store.account(tx, run.id)
    if before is None or not nanos:
        return
    after = replace(before, booked_nanos=before.booked_nanos + nanos)
    if store.book(tx, before, after, settle_at=None):
        store.add_spending(tx, run.owner_id, [(kind, subject, day_of(now), nanos) for kind, subject in subjects(run)])


def reopen_in(tx: Tx, views: Views, run: Run, now: Instant, *, ask: Callable[[], None]) -> None:
    """A finished run, as it is before it is resurrected, begins to spend again; ``ask`` may refuse that."""
    book_in(tx, views, run, now)
    ask()
    account = Account(
        run_id=run.id,
        owner_id=run.owner_id,
        day=day_of(now),
        booked_nanos=cost_in(tx, views, run, now),
        state=LIVE,
    )
    store.open_account(tx, account)


def book_in(tx: Tx, views: Views, run: Run, now: Instant) -> None:
    """Add what a run has cost since the last time to the days of what it counts for."""
    before = store.account(tx, run.id)
    if before is None or before.state == CLOSED:
        return
    days = since_booked_in(tx, views, run, before, now)
    state, settle_at = _next_state(run, before, now)
    after = replace(
        before, day=max(day_of(now), before.day), booked_nanos=before.booked_nanos + sum(days.values()), state=state
    )
    if store.book(tx, before, after, settle_at=settle_at):
        store.add_spending(
            tx,
            run.owner_id,
            [(kind, subject, day, nanos) for kind, subject in subjects(run) for day, nanos in days.items() if nanos],
        )


def _next_state(run: Run, account: Account, now: Instant) -> tuple[str, Instant | None]:
    if run.status not in TERMINAL or run.life.finished_at is None:
        return LIVE, None
    settle_at = run.life.finished_at.plus(secs=RUN_TOKEN_GRACE_SECS + SPENDING_LATE_SECS)
    if account.state == ENDED or settle_at <= now:
        return CLOSED, None
    return ENDED, settle_at


def _computing(views: Views, run: Run, at: Instant) -> int:
    """What compute units have cost until a moment that may be before now."""
    if not pays_platform(run):
        return 0
    return round(units_of(run, _active_millis(run.life, at)) * views.prices[Usage.ACTOR_COMPUTE_UNITS] * NANOS)


def _active_millis(life: Life, at: Instant) -> int:
    """As ``Life.active_millis_at``, but also for moments before the end. Earlier attempts count as wholly before it."""
    until = at if life.finished_at is None else Instant(min(at, life.finished_at))
    since = until if life.attempt_started_at is None else life.attempt_started_at
    return life.active_millis + max(until - since, 0)
