"""What a pricing record may say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorium.actors.pricing import PricingInfo
from actorium.actors.pricing_checks import check
from actorium.kernel.errors import ActoriumError
from actorium.kernel.structs import decode

EVENT = {"eventTitle": "Page", "eventDescription": "A page"}


def ppe(event: dict[str, Any] | None = None, *, name: str = "page", **more: Any) -> dict[str, Any]:
    events = {name: EVENT | ({"eventPriceUsd": 0.1} if event is None else event)}
    return {"pricingModel": "PAY_PER_EVENT", "pricingPerEvent": {"actorChargeEvents": events}, **more}


def ppr(**more: Any) -> dict[str, Any]:
    return {"pricingModel": "PRICE_PER_DATASET_ITEM", "unitName": "result", **more}


def flat(**more: Any) -> dict[str, Any]:
    return {"pricingModel": "FLAT_PRICE_PER_MONTH", "trialMinutes": 0, "pricePerUnitUsd": 1, **more}


def tiers(name: str, **usd: float) -> dict[str, Any]:
    return {tier: {name: price} for tier, price in usd.items()}


EVENT_TIER, ITEM_TIER = "tieredEventPriceUsd", "tieredPricePerUnitUsd"
GOOD = [
    {"pricingModel": "FREE"},
    flat(),
    ppe(),
    ppe({"eventPriceUsd": 0}, minimalMaxTotalChargeUsd=0.5),
    ppe({"eventTieredPricingUsd": tiers(EVENT_TIER, FREE=0.3, DIAMOND=0.1), "isPrimaryEvent": True}),
    ppe(name="apify-actor-start"),
    ppe(name="apify-default-dataset-item"),
    {"pricingModel": "PAY_PER_EVENT", "pricingPerEvent": {}},
    ppr(pricePerUnitUsd=0.01),
    ppr(tieredPricing=tiers(ITEM_TIER, GOLD=0.1)),
]
BAD = [
    ppe({}),
    ppe({"eventPriceUsd": -0.1}),
    ppe({"eventPriceUsd": 1e300}),
    ppe({"eventTieredPricingUsd": {}}),
    ppe({"eventTieredPricingUsd": tiers(EVENT_TIER, COPPER=0.1)}),
    ppe({"eventTieredPricingUsd": tiers(EVENT_TIER, GOLD=-1)}),
    ppe(name=""),
    ppe(name=" page"),
    ppe(name="a\nb"),
    ppe(name="x" * 101),
    ppe(minimalMaxTotalChargeUsd=-1),
    ppe(apifyMarginPercentage=1.5),
    ppe(reasonForChange="x" * 20_001),
    ppe({"eventPriceUsd": 1, "eventTitle": "x" * 20_001}),
    {"pricingModel": "PAY_PER_EVENT", "pricingPerEvent": {"actorChargeEvents": {f"e{n}": EVENT for n in range(201)}}},
    ppr(),
    ppr(pricePerUnitUsd=-1),
    ppr(pricePerUnitUsd=1, unitName=""),
    ppr(tieredPricing=tiers(ITEM_TIER, free=0.1)),
    flat(pricePerUnitUsd=-5),
    flat(trialMinutes=-1),
    flat(trialMinutes=10**12),
]


def shown(record: dict[str, Any]) -> str:
    return json.dumps(record)[:80]


@pytest.mark.parametrize("record", GOOD, ids=shown)
def test_good_ones(record: dict[str, Any]) -> None:
    check(decode(json.dumps(record), PricingInfo))  # type: ignore[arg-type]


def test_bad_ones_say_what_to_do() -> None:
    for record in BAD:
        with pytest.raises(ActoriumError, match="pricingInfos: ") as raised:
            check(decode(json.dumps(record), PricingInfo))  # type: ignore[arg-type]
        assert raised.value.type == "invalid-input", record


@pytest.mark.parametrize("name", ["apify-", "apify-x", "apify-actor-start-2"])
def test_names_of_the_platform(name: str) -> None:
    with pytest.raises(ActoriumError) as raised:
        check(decode(json.dumps(ppe(name=name)), PricingInfo))  # type: ignore[arg-type]
    assert (raised.value.type, raised.value.kind) == ("cannot-add-apify-events-to-ppe-actor", "forbidden")
