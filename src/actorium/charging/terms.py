"""What a run is charged for, and how much that is. Pure; money is exact: decimals, never sums of floats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from msgspec import structs

from actorium.actors.pricing import (
    ITEM_EVENT,
    START_EVENT,
    ChargeEvent,
    PayPerEvent,
    PricePerDatasetItem,
    PricingInfo,
    PricingPerEvent,
    Tier,
)
from actorium.kernel.structs import UNSET

ZERO = Decimal(0)
MBYTES_PER_START = 1024  # of memory: one start event each


def decimal(value: float) -> Decimal:
    """A number as it is written: 0.1 is a tenth."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def plain(value: float) -> str:
    """A number as text without an exponent and without artefacts of floats: 0.00001, 5, 1234567.89."""
    text = format(decimal(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed when a run started."""

    pricing: PricingInfo | None
    tier: Tier = Tier.FREE
    max_total_usd: float | None = None
    """None: no limit."""
    max_items: int | None = None
    """So many items are charged for at the most; None: no limit."""
    unpaid_usd: Decimal = ZERO
    """What was charged beyond the limits of its day, before a resurrection: nobody pays for it, whatever they are now.
    """

    @property
    def is_charged(self) -> bool:
        """Whether something is counted and paid, beside what the platform is used for."""
        return isinstance(self.pricing, PayPerEvent | PricePerDatasetItem)

    @property
    def charges_items(self) -> bool:
        """Whether storing an item in the default dataset costs something."""
        return isinstance(self.pricing, PricePerDatasetItem) or self.has_event(ITEM_EVENT)

    def has_event(self, name: str) -> bool:
        """Whether the Actor has an event of this name."""
        return isinstance(self.pricing, PayPerEvent) and name in self.pricing.pricing_per_event.actor_charge_events

    def starts(self, memory_mbytes: int) -> int:
        """How many start events a run of this memory is; 0 if the Actor has no such event."""
        return max(1, math.ceil(memory_mbytes / MBYTES_PER_START)) if self.has_event(START_EVENT) else 0

    def events(self, counts: Mapping[str, int]) -> dict[str, int] | None:
        """The counts as the run object shows them; None: this is no pay-per-event run."""
        return dict(counts) if isinstance(self.pricing, PayPerEvent) else None

    def charged_usd(self, counts: Mapping[str, int]) -> Decimal:
        """What the counts come to, also beyond the limit, without what stays unpaid."""
        charged = max(self._sum_usd(counts) - self.unpaid_usd, ZERO)
        if isinstance(self.pricing, PricePerDatasetItem) and self.max_items is not None:
            return min(charged, self.max_items * _item_usd(self.pricing, self.tier))
        return charged

    def price_usd(self, event: str) -> Decimal:
        """What one event costs."""
        return self._sum_usd({event: 1})

    def paid_usd(self, counts: Mapping[str, int]) -> Decimal:
        """What is paid for the counts: at the limit, charging stops."""
        charged = self.charged_usd(counts)
        return charged if self.max_total_usd is None else min(charged, decimal(self.max_total_usd))

    def unpaid_after(self, counts: Mapping[str, int]) -> Decimal:
        """What stays unpaid when these terms are over and the run begins again."""
        return self._sum_usd(counts) - self.paid_usd(counts)

    def is_spent(self, charged_usd: Decimal) -> bool:
        """Whether a sum has reached the limit."""
        return self.max_total_usd is not None and charged_usd >= decimal(self.max_total_usd)

    def _sum_usd(self, counts: Mapping[str, int]) -> Decimal:
        match self.pricing:
            case PayPerEvent(pricing_per_event=priced):
                known = priced.actor_charge_events
                return sum(
                    (count * _event_usd(known[name], self.tier) for name, count in counts.items() if name in known),
                    start=ZERO,
                )
            case PricePerDatasetItem():
                return counts.get(ITEM_EVENT, 0) * _item_usd(self.pricing, self.tier)
            case _:
                return ZERO


def agreed(pricing: PricingInfo | None, tier: Tier) -> PricingInfo | None:
    """A price as a run of a tier keeps it: ``eventPriceUsd`` is what it pays for an event, by which SDKs charge."""
    if not isinstance(pricing, PayPerEvent):
        return pricing
    events = {
        name: event if found is None else structs.replace(event, event_price_usd=found)
        for name, event in pricing.pricing_per_event.actor_charge_events.items()
        for found in [_of_event_tier(event, tier)]
    }
    return structs.replace(pricing, pricing_per_event=PricingPerEvent(actor_charge_events=events))


def _of_event_tier(event: ChargeEvent, tier: Tier) -> float | None:
    tiers = {} if event.event_tiered_pricing_usd is UNSET else event.event_tiered_pricing_usd
    return _of_tier({name: price.tiered_event_price_usd for name, price in tiers.items()}, tier)


def _event_usd(event: ChargeEvent, tier: Tier) -> Decimal:
    return _first(_of_event_tier(event, tier), event.event_price_usd)


def _item_usd(pricing: PricePerDatasetItem, tier: Tier) -> Decimal:
    tiers = {} if pricing.tiered_pricing is UNSET else pricing.tiered_pricing
    found = _of_tier({name: price.tiered_price_per_unit_usd for name, price in tiers.items()}, tier)
    return _first(found, pricing.price_per_unit_usd)


def _of_tier(prices: Mapping[str, float], tier: Tier) -> float | None:
    """The price of a tier, or of the next lower one that has a price, or else of the lowest that has one."""
    ladder = list(Tier)
    at = ladder.index(tier)
    return next((prices[name] for name in (*reversed(ladder[: at + 1]), *ladder[at:]) if name in prices), None)


def _first(tiered: float | None, flat: object) -> Decimal:
    if tiered is not None:
        return decimal(tiered)
    return decimal(flat) if isinstance(flat, int | float) else ZERO
