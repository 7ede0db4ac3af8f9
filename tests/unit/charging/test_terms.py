"""Money: prices times counts, by tier, exact, and up to the limit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.actors.pricing import (
    ITEM_EVENT,
    ChargeEvent,
    FlatPricePerMonth,
    Free,
    PayPerEvent,
    PricePerDatasetItem,
    PricingPerEvent,
    Tier,
    TieredEventPrice,
    TieredItemPrice,
)
from actorium.charging.terms import Terms, decimal, plain
from actorium.kernel.structs import UNSET


def by_event(*, tiers: dict[str, float] | None = None, **usd: float) -> PayPerEvent:
    events = {name: ChargeEvent(event_title=name, event_price_usd=price) for name, price in usd.items()}
    if tiers is not None:
        prices = {tier: TieredEventPrice(tiered_event_price_usd=price) for tier, price in tiers.items()}
        events["tiered"] = ChargeEvent(event_title="tiered", event_tiered_pricing_usd=prices)
    return PayPerEvent(pricing_per_event=PricingPerEvent(actor_charge_events=events))


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2**40)))
def test_sums_are_exact(counts: dict[str, int]) -> None:
    usd = {"a": "0.1", "b": "0.00005", "c": "19.99"}
    terms = Terms(pricing=by_event(**{name: float(price) for name, price in usd.items()}), max_total_usd=0.3)
    exact = sum((Fraction(usd[name]) * count for name, count in counts.items()), start=Fraction(0))
    assert Fraction(terms.charged_usd(counts)) == exact
    assert Fraction(terms.paid_usd(counts)) == min(exact, Fraction("0.3"))
    assert terms.is_spent(terms.charged_usd(counts)) is (exact >= Fraction("0.3"))


@pytest.mark.parametrize(
    ("tier", "price"),
    [("FREE", "0.5"), ("BRONZE", "0.5"), ("SILVER", "0.3"), ("GOLD", "0.3"), ("PLATINUM", "0.3"), ("DIAMOND", "0.1")],
)
def test_a_tier_without_a_price_has_that_of_the_next_lower_one(tier: str, price: str) -> None:
    tiers = {"BRONZE": 0.5, "SILVER": 0.3, "DIAMOND": 0.1}
    terms = Terms(pricing=by_event(tiers=tiers), tier=Tier(tier))
    assert terms.charged_usd({"tiered": 1}) == Decimal(price)
    prices = {name: TieredItemPrice(tiered_price_per_unit_usd=usd) for name, usd in tiers.items()}
    item = PricePerDatasetItem(unit_name="x", price_per_unit_usd=7, tiered_pricing=prices)
    assert Terms(pricing=item, tier=Tier(tier)).charged_usd({ITEM_EVENT: 1}) == Decimal(price)


def test_items_beyond_their_limit_cost_nothing() -> None:
    pricing = PricePerDatasetItem(unit_name="x", price_per_unit_usd=0.01)
    assert Terms(pricing=pricing, max_items=3).charged_usd({ITEM_EVENT: 8}) == Decimal("0.03")
    assert Terms(pricing=pricing).charged_usd({ITEM_EVENT: 8}) == Decimal("0.08")
    assert Terms(pricing=pricing).charged_usd({}) == 0
    assert Terms(pricing=pricing).events({ITEM_EVENT: 8}) is None


def test_other_prices_count_nothing() -> None:
    for pricing in (None, Free(), FlatPricePerMonth(trial_minutes=0, price_per_unit_usd=9)):
        terms = Terms(pricing=pricing)
        assert not terms.is_charged
        assert not terms.charges_items
        assert terms.charged_usd({ITEM_EVENT: 5, "a": 1}) == 0
    assert by_event(a=1).minimal_max_total_charge_usd is UNSET


@pytest.mark.parametrize(("memory", "starts"), [(128, 1), (1024, 1), (2048, 2), (32_768, 32)])
def test_a_start_for_each_gigabyte(memory: int, starts: int) -> None:
    start = PayPerEvent(
        pricing_per_event=PricingPerEvent(
            actor_charge_events={"apify-actor-start": ChargeEvent(event_title="Start", event_price_usd=0.00005)}
        )
    )
    assert Terms(pricing=start).starts(memory) == starts
    assert Terms(pricing=by_event(a=1)).starts(memory) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (5.0, "5"),
        (100.0, "100"),
        (0.2, "0.2"),
        (0.00001, "0.00001"),
        (1234567.89, "1234567.89"),
        (1e9, "1000000000"),
    ],
)
def test_numbers_as_text(value: float, text: str) -> None:
    assert plain(value) == text
    assert decimal(0.1) == Decimal("0.1")
