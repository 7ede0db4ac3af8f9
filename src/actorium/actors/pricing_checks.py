"""What a pricing record may say: prices that are money, tiers that exist, event names that are free to choose."""

from __future__ import annotations

from collections.abc import Iterable

from actorium.actors.errors import CannotAddPlatformEvents
from actorium.actors.pricing import (
    SYNTHETIC_EVENTS,
    ChargeEvent,
    FlatPricePerMonth,
    Free,
    PayPerEvent,
    PricePerDatasetItem,
    PricingInfo,
    Tier,
)
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import (
    ACTOR_TEXT_CHARS_MAX,
    CHARGE_EVENT_NAME_CHARS_MAX,
    CHARGE_EVENTS_MAX,
    PRICE_USD_MAX,
    TRIAL_MINUTES_MAX,
)
from actorium.kernel.structs import UNSET


def check(entry: PricingInfo) -> None:
    """Look at a new pricing record. Raises InvalidInput, CannotAddPlatformEvents."""
    if not 0 <= entry.apify_margin_percentage <= 1:
        raise InvalidInput("pricingInfos: apifyMarginPercentage must be a number from 0 to 1.")
    _check_text("reasonForChange", entry.reason_for_change)
    match entry:
        case PayPerEvent():
            _check_events(entry)
        case PricePerDatasetItem():
            _check_text("unitName", entry.unit_name)
            if not entry.unit_name:
                raise InvalidInput("pricingInfos: unitName must say what is charged for, such as result.")
            tiers = {} if entry.tiered_pricing is UNSET else entry.tiered_pricing
            _check_prices(
                "pricePerUnitUsd",
                entry.price_per_unit_usd,
                "tieredPricing",
                {tier: price.tiered_price_per_unit_usd for tier, price in tiers.items()},
            )
        case FlatPricePerMonth():
            _check_price("pricePerUnitUsd", entry.price_per_unit_usd)
            if not 0 <= entry.trial_minutes <= TRIAL_MINUTES_MAX:
                raise InvalidInput(f"pricingInfos: trialMinutes must be from 0 to {TRIAL_MINUTES_MAX}.")
        case Free():
            pass


def _check_events(entry: PayPerEvent) -> None:
    events = entry.pricing_per_event.actor_charge_events
    if len(events) > CHARGE_EVENTS_MAX:
        raise InvalidInput(f"pricingInfos: an Actor can have up to {CHARGE_EVENTS_MAX} events, this has {len(events)}.")
    if isinstance(entry.minimal_max_total_charge_usd, int | float):
        _check_price("minimalMaxTotalChargeUsd", entry.minimal_max_total_charge_usd)
    for name, event in events.items():
        _check_event(name, event)


def _check_event(name: str, event: ChargeEvent) -> None:
    if not 0 < len(name) <= CHARGE_EVENT_NAME_CHARS_MAX or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            f"pricingInfos: {name[:50]!r} cannot be an event's name; it takes 1 to {CHARGE_EVENT_NAME_CHARS_MAX}"
            " printable characters, no space at its ends."
        )
    if name.startswith("apify-") and name not in SYNTHETIC_EVENTS:
        raise CannotAddPlatformEvents
    _check_text(f"{name}.eventTitle", event.event_title)
    _check_text(f"{name}.eventDescription", event.event_description)
    tiers = {} if event.event_tiered_pricing_usd is UNSET else event.event_tiered_pricing_usd
    _check_prices(
        f"{name}.eventPriceUsd",
        event.event_price_usd,
        f"{name}.eventTieredPricingUsd",
        {tier: price.tiered_event_price_usd for tier, price in tiers.items()},
    )


def _check_prices(flat_name: str, flat: object, tiers_name: str, tiers: dict[str, float]) -> None:
    """One price for all, or one for each of some tiers, or both."""
    if flat is UNSET and not tiers:
        raise InvalidInput(f"pricingInfos: {flat_name} or {tiers_name} must say what it costs.")
    if isinstance(flat, int | float):
        _check_price(flat_name, flat)
    _check_tiers(tiers_name, tiers)
    for tier, price in tiers.items():
        _check_price(f"{tiers_name}.{tier}", price)


def _check_tiers(name: str, tiers: Iterable[str]) -> None:
    for tier in tiers:
        if tier not in set(Tier):
            raise InvalidInput(f"pricingInfos: {name} has no tier {tier[:20]!r}; there are {', '.join(Tier)}.")


def _check_price(name: str, price: float) -> None:
    if not 0 <= price <= PRICE_USD_MAX:
        raise InvalidInput(f"pricingInfos: {name} is {price:g}; it must be from 0 to {PRICE_USD_MAX} USD.")


def _check_text(name: str, text: object) -> None:
    if isinstance(text, str) and len(text) > ACTOR_TEXT_CHARS_MAX:
        raise InvalidInput(f"pricingInfos: {name} can have up to {ACTOR_TEXT_CHARS_MAX} characters.")
