"""A price history only grows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from actorium.actors.errors import PricingAltersPast, PricingFutureTwice, PricingRemoved, PricingTwice
from actorium.actors.pricing import FlatPricePerMonth, Free, PricePerDatasetItem, PricingInfo, extended, in_force
from actorium.kernel.errors import ActoriumError
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, decode, encode

NOW = Instant(1_000_000_000)
LATER = NOW.plus(secs=86_400)
FREE = Free()
FLAT = FlatPricePerMonth(trial_minutes=10, price_per_unit_usd=5)
ITEM = PricePerDatasetItem(unit_name="item", price_per_unit_usd=0.1)


def at(entry: PricingInfo, start: Instant) -> PricingInfo:
    import msgspec

    return msgspec.structs.replace(entry, started_at=start, created_at=NOW)


def test_the_server_fills_in_the_times() -> None:
    (entry,) = extended((), [Free(apify_margin_percentage=0.2)], NOW)
    assert (entry.created_at, entry.started_at, entry.apify_margin_percentage) == (NOW, NOW, 0)


def test_a_history_is_sent_back_with_one_more() -> None:
    history = extended((), [FREE], NOW)
    longer = extended(history, [*history, FLAT], NOW.plus(secs=10))
    assert longer[0] == history[0]
    assert longer[1].started_at == NOW.plus(secs=10)
    assert extended(longer, longer, LATER) == longer
    assert extended(longer, [FREE, FLAT], LATER) == longer


def test_an_announced_price_may_be_changed_or_dropped() -> None:
    history = extended((), [FREE], NOW)
    announced = extended(history, [*history, at(FLAT, LATER)], NOW)
    assert in_force(announced, NOW) == announced[0]
    assert in_force(announced, LATER) == announced[1]
    assert extended(announced, announced, NOW.plus(secs=60)) == announced
    assert extended(announced, history, NOW.plus(secs=60)) == history
    changed = extended(announced, [*history, at(ITEM, LATER)], NOW.plus(secs=60))
    assert isinstance(changed[1], PricePerDatasetItem)
    with pytest.raises(PricingAltersPast):
        extended(announced, [*history, at(ITEM, LATER)], LATER)


@dataclass
class Case:
    asked: list[PricingInfo]
    error: type[ActoriumError]


@pytest.mark.parametrize(
    "case",
    [
        Case([], PricingRemoved),
        Case([FLAT], PricingAltersPast),
        Case([at(FREE, NOW.plus(secs=-10))], PricingAltersPast),
        Case([FREE, FLAT, ITEM], PricingTwice),
        Case([FREE, at(FLAT, LATER), at(ITEM, LATER)], PricingFutureTwice),
    ],
    ids=lambda case: case.error.__name__,
)
def test_what_is_refused(case: Case) -> None:
    history = extended((), [FREE], NOW)
    with pytest.raises(case.error):
        extended(history, case.asked, NOW.plus(secs=1))


def test_a_new_price_that_says_it_began_in_the_past_begins_now() -> None:
    (first,) = extended((), [at(FREE, NOW.plus(secs=-86_400))], NOW)
    assert first.started_at == NOW
    both = extended((first,), [first, at(FLAT, NOW.plus(secs=-3600))], LATER)
    assert [entry.started_at for entry in both] == [NOW, LATER], "what runs were started with stays true"


def test_nothing_is_in_force_without_a_history() -> None:
    assert in_force((), NOW) is None


def test_on_the_wire() -> None:
    (entry,) = extended((), [FLAT], NOW)
    text = encode(entry)
    assert b'"pricingModel":"FLAT_PRICE_PER_MONTH"' in text
    assert decode(text, PricingInfo) == entry  # type: ignore[arg-type]
    assert FLAT.started_at is UNSET
