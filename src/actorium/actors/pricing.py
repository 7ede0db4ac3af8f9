"""What an Actor costs: the four pricing models of the API, as a history that only grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import structs

from actorium.actors.errors import PricingAltersPast, PricingFutureTwice, PricingRemoved, PricingTwice
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, UnsetType, Wire

START_EVENT = "apify-actor-start"
"""Counted by the platform when a run starts: once for each gigabyte of its memory, at least once."""
ITEM_EVENT = "apify-default-dataset-item"
"""Counted by the platform for each item that is stored in the run's default dataset."""
SYNTHETIC_EVENTS = frozenset({START_EVENT, ITEM_EVENT})
START_EVENT_PRICE_USD = 0.00005
"""What a start costs where the record does not say it."""


class Tier(StrEnum):
    """What kind of customer somebody is: the higher, the lower the prices."""

    FREE = "FREE"
    BRONZE = "BRONZE"
    SILVER = "SILVER"
    GOLD = "GOLD"
    PLATINUM = "PLATINUM"
    DIAMOND = "DIAMOND"


class _Pricing(Wire, kw_only=True, frozen=True, tag_field="pricingModel"):
    """What every pricing record has. The server fills in the times; a server of one's own takes no margin."""

    apify_margin_percentage: float = 0
    created_at: Instant | UnsetType = UNSET
    started_at: Instant | UnsetType = UNSET
    notified_about_future_change_at: Instant | None | UnsetType = UNSET
    notified_about_change_at: Instant | None | UnsetType = UNSET
    reason_for_change: str | None | UnsetType = UNSET
    is_price_change_notification_suppressed: bool | UnsetType = UNSET
    force_contains_significant_price_change: bool | UnsetType = UNSET


class TieredEventPrice(Wire, kw_only=True, frozen=True):
    """The price of one event for callers of one tier, in USD."""

    tiered_event_price_usd: float


class TieredItemPrice(Wire, kw_only=True, frozen=True):
    """The price of one item for callers of one tier, in USD."""

    tiered_price_per_unit_usd: float


class ChargeEvent(Wire, kw_only=True, frozen=True):
    """One event a pay-per-event Actor charges for; the price is for one, in USD."""

    event_title: str
    event_description: str = ""
    event_price_usd: float | UnsetType = UNSET
    event_tiered_pricing_usd: dict[str, TieredEventPrice] | UnsetType = UNSET
    is_primary_event: bool | UnsetType = UNSET
    is_one_time_event: bool | UnsetType = UNSET


class PricingPerEvent(Wire, kw_only=True, frozen=True):
    """The events of a pay-per-event Actor by name."""

    actor_charge_events: dict[str, ChargeEvent] = {}


class PayPerEvent(_Pricing, kw_only=True, frozen=True, tag="PAY_PER_EVENT"):
    """Charged per event that the Actor reports."""

    pricing_per_event: PricingPerEvent
    minimal_max_total_charge_usd: float | None | UnsetType = UNSET


class PricePerDatasetItem(_Pricing, kw_only=True, frozen=True, tag="PRICE_PER_DATASET_ITEM"):
    """Charged per item in the default dataset."""

    unit_name: str
    price_per_unit_usd: float | UnsetType = UNSET
    tiered_pricing: dict[str, TieredItemPrice] | UnsetType = UNSET


class FlatPricePerMonth(_Pricing, kw_only=True, frozen=True, tag="FLAT_PRICE_PER_MONTH"):
    """Rented by the month."""

    trial_minutes: int
    price_per_unit_usd: float


class Free(_Pricing, kw_only=True, frozen=True, tag="FREE"):
    """Only platform usage is paid."""


PricingInfo: TypeAlias = PayPerEvent | PricePerDatasetItem | FlatPricePerMonth | Free


def extended(
    history: Sequence[PricingInfo],
    asked: Sequence[PricingInfo],
    now: Instant,
    *,
    check: Callable[[PricingInfo], None] = lambda _: None,
) -> tuple[PricingInfo, ...]:
    """The history with at most one new entry behind it; an entry that has not started yet may be replaced or dropped.

    ``asked`` is the whole list: what has started, unchanged and in order, then what is new. ``check`` raises for what
    a new entry may not say. Raises PricingAltersPast and its kin too.
    """
    asked = [_completed(entry) for entry in asked]
    past = [entry for entry in history if _starts(entry) <= now]
    if len(asked) < len(past):
        raise PricingRemoved
    kept = [_kept(old, new) for old, new in zip(past, asked, strict=False)]
    coming = [entry for entry in history if _starts(entry) > now]
    for entry in asked[len(past) :]:
        check(entry)
    added = [_dated(entry, coming, now) for entry in asked[len(past) :]]
    if len([entry for entry in added if _starts(entry) > now]) > 1:
        raise PricingFutureTwice
    if len(added) > 1:
        raise PricingTwice
    return (*kept, *added)


def in_force(history: Sequence[PricingInfo], now: Instant) -> PricingInfo | None:
    """The entry that applies to a run that starts now."""
    started = [entry for entry in history if _starts(entry) <= now]
    return started[-1] if started else None


def _starts(entry: PricingInfo) -> Instant:
    return entry.started_at if isinstance(entry.started_at, Instant) else Instant(0)


def _completed(entry: PricingInfo) -> PricingInfo:
    """The record with the price of the platform's own event, if it does not say another."""
    if not isinstance(entry, PayPerEvent):
        return entry
    events = entry.pricing_per_event.actor_charge_events
    start = events.get(START_EVENT)
    if start is None or start.event_price_usd is not UNSET or start.event_tiered_pricing_usd:
        return entry
    events = events | {START_EVENT: structs.replace(start, event_price_usd=START_EVENT_PRICE_USD)}
    return structs.replace(entry, pricing_per_event=PricingPerEvent(actor_charge_events=events))


def _kept(old: PricingInfo, new: PricingInfo) -> PricingInfo:
    if _facts(old) != _facts(new) or new.started_at not in (UNSET, old.started_at):
        raise PricingAltersPast
    return old


def _dated(entry: PricingInfo, coming: Sequence[PricingInfo], now: Instant) -> PricingInfo:
    """A new entry with its times; one that was announced before keeps them. What says it began in the past begins now:
    runs that were started since keep the price that they were started with."""
    for known in coming:
        if _facts(known) == _facts(entry) and entry.started_at == known.started_at:
            return known
    start = entry.started_at if isinstance(entry.started_at, Instant) else now
    return structs.replace(entry, created_at=now, started_at=Instant(max(start, now)), apify_margin_percentage=0)


def _facts(entry: PricingInfo) -> dict[str, Any]:
    """What a price is about, without what the server fills in."""
    filled = {
        "apify_margin_percentage": 0,
        "created_at": UNSET,
        "started_at": UNSET,
        "notified_about_change_at": UNSET,
        "notified_about_future_change_at": UNSET,
    }
    return {"model": type(entry).__name__} | structs.asdict(entry) | filled
