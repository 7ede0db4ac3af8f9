"""Runs of Actors that have a price, and their own tokens: for tests about charging."""

from __future__ import annotations

from typing import Any

from actorium.runs.charge_limits import ChargeLimits
from server_world import ServerWorld
from world import Client


def events(**usd: float) -> dict[str, Any]:
    """A pay-per-event price: what each event costs. Underscores stand for hyphens."""
    return {
        "pricingModel": "PAY_PER_EVENT",
        "pricingPerEvent": {
            "actorChargeEvents": {
                name.replace("_", "-"): {"eventTitle": name, "eventDescription": name, "eventPriceUsd": price}
                for name, price in usd.items()
            }
        },
    }


def items(usd: float = 0.01, **more: Any) -> dict[str, Any]:
    """A price for each item."""
    return {"pricingModel": "PRICE_PER_DATASET_ITEM", "unitName": "result", "pricePerUnitUsd": usd, **more}


async def priced(world: ServerWorld, pricing: dict[str, Any], *, name: str = "paid", public: bool = False) -> str:
    """Alice's Actor with a price."""
    actor = await world.actor(name)
    change: dict[str, Any] = {"pricingInfos": [pricing]}
    if public:
        change |= {"isPublic": True, "title": "Paid", "categories": ["AI"]}
    await world.alice.put(f"/v2/actors/{actor}", change)
    return actor


def itself(world: ServerWorld, run: dict[str, Any]) -> Client:
    """The run as a client: with its own token."""
    return Client(world.app, token=world.features.tokens.token(run["id"]))


async def charge(
    world: ServerWorld, run: dict[str, Any], event: str, count: Any = None, *, key: str | None = None, status: int = 201
) -> Any:
    """Charge a run as its process would; the body of the reply."""
    body = {"eventName": event} | ({} if count is None else {"count": count})
    headers = {} if key is None else {"idempotency-key": key}
    answer = await itself(world, run).request("POST", f"/v2/actor-runs/{run['id']}/charge", json=body, headers=headers)
    assert answer.status == status, answer.body
    return answer.json if status == 201 else answer.json["error"]


async def counts(world: ServerWorld, run: dict[str, Any]) -> Any:
    """What the run object says of its events."""
    return (await world.alice.get(f"/v2/actor-runs/{run['id']}")).get("chargedEventCounts")


async def push(client: Client, run: dict[str, Any], count: int) -> None:
    """Store items in a run's default dataset."""
    await client.request("POST", f"/v2/datasets/{run['defaultDatasetId']}/items", json=[{"n": n} for n in range(count)])


def limits(world: ServerWorld) -> ChargeLimits:
    """The loop as another server would run it."""
    features, ground = world.features, world.features.ground
    return ChargeLimits(
        ground.database, charging=features.charging, brakes=features.brakes, views=features.views,
        clock=world.clock, ids=ground.ids,
    )  # fmt: skip
