"""One queue in one PostgreSQL database, worked on by two servers: only the database can keep them apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from actorium.blobs.memory import MemoryBlobs
from actorium.database.migrate import migrate
from actorium.kernel.instant import Instant
from actorium.request_queues.listing import Listing
from actorium.request_queues.locks import Locks
from actorium.request_queues.model import LockHeadQuery, RequestsQuery, State
from actorium.request_queues.requests import request_id
from actorium.request_queues.work import Requests
from actorium.testing.conformance.stores import ALICE, Shelf

pytestmark = [pytest.mark.anyio, pytest.mark.services]

REQUESTS = 300


@pytest.fixture
async def servers(postgres_url: str) -> AsyncIterator[list[Shelf]]:
    from actorium.database.postgres import Postgres

    engines = [await Postgres.open(postgres_url) for _ in range(2)]
    await migrate(engines[0], Instant(1))
    shelves = [Shelf(engine, MemoryBlobs()) for engine in engines]
    yield shelves
    for shelf in shelves:
        await shelf.schemas.close()
    for engine in engines:
        await engine.close()


async def test_each_request_is_handed_out_once_and_counted_once(servers: list[Shelf]) -> None:
    queue = (await servers[0].queues.get_or_create(ALICE, None))[0].id
    handed: Counter[str] = Counter()

    async def add(at: int) -> int:
        batch = [{"url": f"http://example.com/{number % REQUESTS}"} for number in range(at * 10, at * 10 + 20)]
        added = await Requests(servers[at % 2].queues).add_batch(
            ALICE, queue, batch, forefront=at % 5 == 0, client_key=f"adder-{at}"
        )
        return sum(not one.was_already_present for one in added.processed_requests)

    async def work(shelf: Shelf, name: str) -> None:
        requests, locks = Requests(shelf.queues), Locks(shelf.queues)
        while items := (
            await locks.lock_head(ALICE, queue, LockHeadQuery(lock_secs=60, limit=4, client_key=name))
        ).items:
            for item in items:
                handed[item.url] += 1
                await requests.update(
                    ALICE,
                    queue,
                    item.id,
                    {"url": item.url, "handledAt": "2026-01-01T00:00:00.000Z"},
                    forefront=False,
                    client_key=name,
                )

    assert sum(await asyncio.gather(*(add(at) for at in range(REQUESTS // 10)))) == REQUESTS
    await asyncio.gather(*(work(servers[at % 2], f"worker-{at}") for at in range(10)))
    assert handed == Counter(f"http://example.com/{number}" for number in range(REQUESTS))
    view = await servers[0].queues.get(ALICE, queue)
    assert (view.total_request_count, view.handled_request_count) == (REQUESTS, REQUESTS)
    pending = RequestsQuery(filter=[State.PENDING])
    assert (await Listing(servers[1].queues).page(ALICE, queue, pending)).items == []
    first = request_id("http://example.com/0")
    assert b"handledAt" in bytes(await Listing(servers[1].queues).get(ALICE, queue, first))
