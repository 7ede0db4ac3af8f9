"""A slow or failing blob store: a clear 5xx, nothing acknowledged is lost, nothing half done, others go on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actorium.blobs.memory import MemoryBlobs
from asgi_client import Answer
from faulty_blobs import FaultyBlobs
from storage_world import StorageWorld, open_storages

pytestmark = pytest.mark.anyio

LARGE = [{"n": number, "filler": "f" * 1000} for number in range(2000)]
RECORD = b"r" * 300_000
BINARY = {"content-type": "application/octet-stream"}


async def made(world: StorageWorld, kind: str) -> str:
    return f"/v2/{kind}/{(await world.alice.post(f'/v2/{kind}'))['id']}"


async def push(world: StorageWorld, dataset: str, items: Any) -> Answer:
    return await world.alice.request("POST", f"{dataset}/items", json=items)


async def put(world: StorageWorld, path: str, body: bytes) -> Answer:
    return await world.alice.request("PUT", path, body=body, headers=BINARY)


async def get(world: StorageWorld, path: str) -> Answer:
    return await world.alice.request("GET", path)


@pytest.mark.parametrize("fault", ["broken", "half"])
async def test_a_failing_store_is_a_503_and_nothing_of_the_write_is_seen(fault: str) -> None:
    blobs = FaultyBlobs(MemoryBlobs())
    async with open_storages(blobs) as world:
        dataset, store = await made(world, "datasets"), await made(world, "key-value-stores")
        assert (await put(world, f"{store}/records/kept", RECORD)).status == 201
        setattr(blobs, fault, True)
        for answer in (
            await push(world, dataset, LARGE),
            await put(world, f"{store}/records/new", RECORD),
            await put(world, f"{store}/records/kept", RECORD[::-1]),
        ):
            assert answer.status == 503
            assert "try again" in answer.json["error"]["message"].lower()
        setattr(blobs, fault, False)
        assert (await get(world, f"{dataset}/items")).json == []
        assert (await get(world, dataset)).json["data"]["itemCount"] == 0
        assert (await get(world, f"{store}/records/kept")).body == RECORD
        assert [one["key"] for one in (await get(world, f"{store}/keys")).json["data"]["items"]] == ["kept"]
        assert (await push(world, dataset, LARGE)).status == 201
        assert (await get(world, f"{dataset}/items")).json == LARGE


async def test_reading_from_a_failing_store_is_a_503_and_works_again() -> None:
    blobs = FaultyBlobs(MemoryBlobs())
    async with open_storages(blobs) as world:
        dataset, store = await made(world, "datasets"), await made(world, "key-value-stores")
        await push(world, dataset, LARGE)
        await put(world, f"{store}/records/kept", RECORD)
        blobs.broken = True
        paths = (f"{dataset}/items", f"{dataset}/items?format=csv&limit=10", f"{store}/records/kept")
        assert [(await get(world, path)).status for path in paths] == [503] * 3
        blobs.broken = False
        assert [(await get(world, path)).status for path in paths] == [200] * 3


async def test_a_slow_store_makes_only_those_wait_who_need_it() -> None:
    blobs = FaultyBlobs(MemoryBlobs())
    async with open_storages(blobs) as world:
        dataset, store = await made(world, "datasets"), await made(world, "key-value-stores")
        blobs.slow_down()
        large = asyncio.create_task(push(world, dataset, LARGE))
        record = asyncio.create_task(put(world, f"{store}/records/slow", RECORD))
        await blobs.arrival()
        assert (await push(world, dataset, {"small": 1})).status == 201
        assert (await put(world, f"{store}/records/small", b"1")).status == 201
        assert (await get(world, f"{dataset}/items")).json == [{"small": 1}]
        assert not large.done()
        assert not record.done()
        blobs.speed_up()
        assert [(await large).status, (await record).status] == [201, 201]
        assert (await get(world, f"{dataset}/items")).json == [{"small": 1}, *LARGE]


async def test_who_leaves_while_the_store_is_slow_leaves_nothing() -> None:
    inner = MemoryBlobs()
    blobs = FaultyBlobs(inner)
    async with open_storages(blobs) as world:
        dataset = await made(world, "datasets")
        blobs.slow_down()
        pushing = asyncio.create_task(push(world, dataset, LARGE))
        await blobs.arrival()
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
        blobs.speed_up()
        assert (await get(world, f"{dataset}/items")).json == []
        assert [key async for key in inner.keys("")] == []
