"""Field statistics over HTTP, as the contract words them."""

from __future__ import annotations

import pytest
from apify_client._models import DatasetStatisticsResponse

from storage_world import open_storages

pytestmark = pytest.mark.anyio

SCHEMA = {
    "actorSpecification": 1,
    "fields": {"type": "object", "properties": {"price": {}, "title": {}, "tags": {}, "seller": {}, "sold": {}}},
    "views": {},
}
ITEMS = [
    {"price": 3, "title": "chair", "tags": [1, 2], "seller": {"name": "A", "id": 1}, "sold": True, "other": 1},
    {"price": -0.5, "title": "", "tags": [], "seller": {}, "sold": False},
    {"price": None, "title": None, "tags": None},
    {},
]


async def test_statistics_of_fields() -> None:
    async with open_storages() as world:
        dataset = await world.alice.post("/v2/datasets", {"schema": SCHEMA})
        target = f"/v2/datasets/{dataset['id']}"
        assert (await world.alice.request("POST", f"{target}/items", json=ITEMS)).status == 201
        answer = await world.alice.request("GET", f"{target}/statistics")
        DatasetStatisticsResponse.model_validate(answer.json)
        assert answer.json == {
            "data": {
                "fieldStatistics": {
                    "price": {"min": -0.5, "max": 3, "nullCount": 1, "emptyCount": 1},
                    "title": {"min": 0, "max": 5, "nullCount": 1, "emptyCount": 1},
                    "tags": {"min": 0, "max": 2, "nullCount": 1, "emptyCount": 1},
                    "seller": {"min": 0, "max": 2, "nullCount": 0, "emptyCount": 2},
                    "sold": {"min": 0, "max": 1, "nullCount": 0, "emptyCount": 2},
                }
            }
        }


async def test_statistics_of_nothing() -> None:
    async with open_storages() as world:
        dataset = await world.alice.post("/v2/datasets", {"schema": SCHEMA})
        found = await world.alice.get(f"/v2/datasets/{dataset['id']}/statistics")
        nothing = {"min": None, "max": None, "nullCount": 0, "emptyCount": 0}
        assert found == {"fieldStatistics": dict.fromkeys(SCHEMA["fields"]["properties"], nothing)}


async def test_statistics_are_for_readers() -> None:
    async with open_storages() as world:
        dataset = await world.alice.post("/v2/datasets", {"schema": SCHEMA})
        target = f"/v2/datasets/{dataset['id']}"
        assert (await world.bob.get(f"{target}/statistics", status=404))["type"] == "record-not-found"
        assert (await world.nobody.get(f"{target}/statistics", status=403))["type"] == "insufficient-permissions"
        await world.alice.put(target, {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        for client in (world.bob, world.nobody):
            assert "price" in (await client.get(f"{target}/statistics"))["fieldStatistics"]
