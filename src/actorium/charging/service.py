"""Charging runs, in the caller's transaction: what is acknowledged is counted once and stays."""

from __future__ import annotations

from collections.abc import Callable

from actorium.actors.pricing import ITEM_EVENT, START_EVENT, PayPerEvent
from actorium.charging import store
from actorium.charging.errors import (
    InvalidCount,
    InvalidIdempotencyKey,
    LimitBelowMinimum,
    NotPayPerEvent,
    PlatformEvent,
    UnknownEvent,
)
from actorium.charging.model import ChargeRun
from actorium.charging.terms import Terms, decimal, plain
from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.limits import (
    CHARGE_ABORT_SECS,
    CHARGE_ABORTS_PER_TICK,
    CHARGE_KEY_CHARS_MAX,
    CHARGE_KEYS_KEPT_SECS,
    CHARGE_KEYS_PER_PRUNE,
    CHARGED_COUNT_MAX,
)

TermsOfRun = Callable[[Tx, str], Terms | None]
"""The terms of a run that has not ended; None: there is no such run."""
AllowedOfRun = Callable[[Tx, str, Terms, str, int], int]
"""How many of so many events of a name the owner of a run still has money for, by brakes of their own."""
PREFIX = "apify-"


def check_limit(terms: Terms) -> None:
    """Whether a run may start with this limit. Raises LimitBelowMinimum."""
    pricing, limit = terms.pricing, terms.max_total_usd
    if limit is None or not isinstance(pricing, PayPerEvent):
        return
    least = pricing.minimal_max_total_charge_usd
    if isinstance(least, int | float) and decimal(limit) < decimal(least):
        raise LimitBelowMinimum(
            f"maxTotalChargeUsd is {plain(limit)}; a run of this Actor needs {plain(least)} USD at least."
        )


def check_charge(terms: Terms, asked: ChargeRun, key: str | None) -> None:
    """Whether a run can be charged so at all. Raises NotPayPerEvent, PlatformEvent, UnknownEvent, InvalidCount."""
    if not isinstance(terms.pricing, PayPerEvent):
        raise NotPayPerEvent
    if asked.event_name.startswith(PREFIX):
        raise PlatformEvent
    if not terms.has_event(asked.event_name):
        known = [name for name in terms.pricing.pricing_per_event.actor_charge_events if not name.startswith(PREFIX)]
        raise UnknownEvent(
            f"The Actor has no event {asked.event_name[:50]!r}; its events are: {', '.join(known[:20]) or 'none'}."
        )
    if not 1 <= asked.count <= CHARGED_COUNT_MAX:
        raise InvalidCount
    if key is not None and not 1 <= len(key) <= CHARGE_KEY_CHARS_MAX:
        raise InvalidIdempotencyKey


counts_in = store.counts
forget_in = store.forget


class Charging:
    """The charges of this installation."""

    def __init__(self, database: Database, *, terms_in: TermsOfRun, allowed_in: AllowedOfRun, clock: Clock) -> None:
        self._database = database
        self._allowed_in = allowed_in
        self._terms_in = terms_in
        self._clock = clock

    def open_in(self, tx: Tx, run_id: str, terms: Terms, *, memory_mbytes: int) -> None:
        """Begin to charge a new run."""
        if not terms.is_charged:
            return
        store.open_budget(tx, run_id)
        starts = terms.starts(memory_mbytes)
        if starts:
            self._count_in(tx, run_id, terms, START_EVENT, starts)

    def charge_in(self, tx: Tx, run_id: str, terms: Terms, asked: ChargeRun) -> None:
        """Count an event that was checked. Raises InvalidCount when it would be counted too often."""
        self._count_allowed_in(tx, run_id, terms, asked.event_name, asked.count)

    def is_new_in(self, tx: Tx, run_id: str, key: str | None) -> bool:
        """Whether a charge with this key is to be done; from now on the key is taken. None is always new."""
        if key is None:
            return True
        store.hold(tx, run_id)
        now = self._clock.now()
        return store.remember(tx, run_id, key, now=now, since=now.plus(secs=-CHARGE_KEYS_KEPT_SECS))

    def items_stored_in(self, tx: Tx, run_id: str, count: int) -> None:
        """Items were stored in the default dataset of a run: in the transaction that stores them."""
        terms = self._terms_in(tx, run_id)
        if terms is not None and terms.charges_items:
            self._count_allowed_in(tx, run_id, terms, ITEM_EVENT, count)

    def resurrected_in(self, tx: Tx, run_id: str, terms: Terms) -> None:
        """A run begins again, maybe with higher limits: an abort is planned only if they are reached."""
        store.call_off(tx, run_id)
        self._look_at_limit_in(tx, run_id, terms)

    def due_in(self, tx: Tx) -> list[str]:
        """Runs that are to be aborted now, a bounded number of them."""
        return store.due(tx, self._clock.now(), CHARGE_ABORTS_PER_TICK)

    def take_due_in(self, tx: Tx, run_id: str) -> bool:
        """Whether a run is to be aborted now; whoever is told so does it."""
        if not store.is_due(tx, run_id, self._clock.now()):
            return False
        store.call_off(tx, run_id)
        return True

    async def prune(self) -> None:
        """Forget keys that nobody repeats any more."""
        before = self._clock.now().plus(secs=-CHARGE_KEYS_KEPT_SECS)
        while await self._database.write(lambda tx: store.prune_keys(tx, before, CHARGE_KEYS_PER_PRUNE)):
            pass

    def _count_allowed_in(self, tx: Tx, run_id: str, terms: Terms, event: str, count: int) -> None:
        """Count as many as there is money for. With the first one too many the run is at its limit."""
        store.hold(tx, run_id)
        allowed = self._allowed_in(tx, run_id, terms, event, count)
        if allowed:
            self._count_in(tx, run_id, terms, event, allowed)
        if allowed < count:
            store.plan_abort(tx, run_id, self._clock.now().plus(secs=CHARGE_ABORT_SECS))

    def _count_in(self, tx: Tx, run_id: str, terms: Terms, event: str, count: int) -> None:
        store.hold(tx, run_id)
        if store.add(tx, run_id, event, count) > CHARGED_COUNT_MAX:
            raise InvalidCount
        self._look_at_limit_in(tx, run_id, terms)

    def _look_at_limit_in(self, tx: Tx, run_id: str, terms: Terms) -> None:
        if not terms.is_charged or terms.max_total_usd is None:
            return
        if terms.is_spent(terms.charged_usd(store.counts(tx, run_id))):
            store.plan_abort(tx, run_id, self._clock.now().plus(secs=CHARGE_ABORT_SECS))
