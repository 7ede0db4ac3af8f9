"""What request queues must do when many workers are on them at once, each a task of its own, some of which crash."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from actorium.database import Row
from actorium.request_queues.errors import RequestHandledOrLocked
from actorium.request_queues.listing import Listing
from actorium.request_queues.locks import Locks
from actorium.request_queues.model import LockHeadQuery, ProlongQuery, RequestsQuery, State
from actorium.request_queues.requests import request_id
from actorium.request_queues.work import Requests
from actorium.testing.conformance.stores import ALICE, Shelf, StoresConformance

OWNER = replace(ALICE, run_id=None)
REQUESTS = 400
WORKERS = 12
LOCK_SECS = 30
HANDLED_AT = "2026-01-01T00:00:00.000Z"


class Crash(Exception):
    """A worker dies with what it holds."""


def url(number: int) -> str:
    return f"http://example.com/{number}"


def given(number: int, **more: Any) -> dict[str, Any]:
    return {"url": url(number), "uniqueKey": url(number)} | more


@dataclass
class Crew:
    """Workers on one queue, and what they saw."""

    shelf: Shelf
    id: str
    handled: Counter[int] = field(default_factory=Counter)
    """By number, how often a worker was told that it had marked the request."""
    refused: int = 0
    crashes: int = 0
    held: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By number, who was handed the request last, and until when."""

    def __post_init__(self) -> None:
        self.requests, self.locks = Requests(self.shelf.queues), Locks(self.shelf.queues)

    @property
    def now(self) -> int:
        return int(self.shelf.clock.now())

    async def add(self, numbers: list[int], worker: str, *, forefront: bool = False) -> int:
        """Add; how many were new."""
        added = await self.requests.add_batch(
            OWNER, self.id, [given(number) for number in numbers], forefront=forefront, client_key=worker
        )
        return sum(not one.was_already_present for one in added.processed_requests)

    async def lock(self, worker: str, chance: random.Random) -> list[int]:
        """Take some from the head. Nobody else may hold any of them at this moment."""
        query = LockHeadQuery(lock_secs=LOCK_SECS, limit=chance.randint(1, 6), client_key=worker)
        head = await self.locks.lock_head(OWNER, self.id, query)
        numbers = [int(item.url.rpartition("/")[2]) for item in head.items]
        for number in numbers:
            holder, until = self.held.get(number, ("", 0))
            assert until <= self.now, f"{number} was handed to {worker} while {holder} held it"
            self.held[number] = (worker, self.now + LOCK_SECS * 1000)
        return numbers

    async def prolong(self, worker: str, number: int) -> None:
        query = ProlongQuery(lock_secs=LOCK_SECS, client_key=worker)
        info = await self.locks.prolong(OWNER, self.id, request_id(url(number)), query)
        self.held[number] = (worker, int(info.lock_expires_at))

    async def mark(self, worker: str, number: int) -> None:
        done = await self.requests.update(
            OWNER,
            self.id,
            request_id(url(number)),
            given(number, handledAt=HANDLED_AT),
            forefront=False,
            client_key=worker,
        )
        assert done.was_already_present
        if not done.was_already_handled:
            self.handled[number] += 1
        self.held.pop(number, None)

    async def give_back(self, worker: str, number: int, *, forefront: bool) -> None:
        await self.locks.unlock(OWNER, self.id, request_id(url(number)), forefront=forefront, client_key=worker)
        self.held.pop(number, None)

    async def work(self, worker: str, chance: random.Random) -> None:
        """Take, and with each taken request do one of the things that workers do, until the head is empty."""
        while numbers := await self.lock(worker, chance):
            for number in numbers:
                what = chance.random()
                if what < 0.04:
                    self.crashes += 1
                    raise Crash
                if what < 0.12:
                    await self.give_back(worker, number, forefront=chance.random() < 0.5)
                    continue
                if what < 0.25:
                    await self.prolong(worker, number)
                await self.mark(worker, number)


class RequestQueuesWorkersConformance(StoresConformance):
    """Request queues under many hands."""

    @pytest.fixture
    async def crew(self, shelf: Shelf) -> Crew:
        view, _ = await shelf.queues.get_or_create(OWNER, None)
        return Crew(shelf, view.id)

    async def test_each_request_is_handled_once_whoever_crashes(self, crew: Crew) -> None:
        chance = random.Random(20261122)
        for first in range(0, REQUESTS, 25):
            await crew.add([*range(first, first + 25)], "adder", forefront=first % 100 == 0)

        async def worker(name: str) -> None:
            own = random.Random(name)
            while True:  # who crashes comes back as somebody else
                try:
                    return await crew.work(name, own)
                except Crash:
                    name += "'"

        while sum(crew.handled.values()) < REQUESTS:
            await asyncio.gather(*(worker(f"{chance.randrange(10**6)}-{number}") for number in range(WORKERS)))
            await crew.shelf.clock.advance(LOCK_SECS)  # what the crashed ones held comes back
        assert crew.handled == Counter(range(REQUESTS))
        assert crew.crashes > 5
        await self.counters_are_exact(crew, total=REQUESTS, handled=REQUESTS)

    async def test_who_lost_a_lock_cannot_mark_what_another_holds(self, crew: Crew) -> None:
        await crew.add([*range(20)], "adder")
        chance = random.Random(1)
        slow = [number for _ in range(4) for number in await crew.lock("slow", chance)]
        await crew.shelf.clock.advance(LOCK_SECS)
        stolen = [number for name in "abcd" for number in await crew.lock(name, chance)]
        results = await asyncio.gather(
            *(crew.mark("slow", number) for number in slow),
            *(crew.mark(crew.held[number][0], number) for number in stolen),
            return_exceptions=True,
        )
        contested = set(slow) & set(stolen)
        assert contested
        assert sum(isinstance(result, RequestHandledOrLocked) for result in results) <= len(contested)
        assert all(result is None or isinstance(result, RequestHandledOrLocked) for result in results)
        assert crew.handled == Counter(set(slow) | set(stolen)), "each by exactly one"

    async def test_adders_of_the_same_requests_add_each_once(self, crew: Crew) -> None:
        chance = random.Random(3)
        batches = [chance.sample(range(200), 25) for _ in range(60)]
        new = await asyncio.gather(
            *(crew.add(batch, f"adder-{at % 7}", forefront=at % 3 == 0) for at, batch in enumerate(batches))
        )
        total = len({number for batch in batches for number in batch})
        assert sum(new) == total
        await self.counters_are_exact(crew, total=total, handled=0)

    async def test_counters_survive_every_kind_of_work_at_once(self, crew: Crew) -> None:
        chance = random.Random(4)
        await crew.add([*range(25)], "adder")

        async def once(at: int) -> None:
            worker, number = f"worker-{at % 5}", chance.randrange(40)
            id = request_id(url(number))  # noqa: A001 - the API's word
            try:
                match chance.randrange(6):
                    case 0:
                        await crew.add(chance.sample(range(40), 5), worker)
                    case 1:
                        await crew.requests.delete(OWNER, crew.id, id, client_key=worker)
                    case 2:
                        query = LockHeadQuery(lock_secs=LOCK_SECS, limit=2, client_key=worker)
                        await crew.locks.lock_head(OWNER, crew.id, query)
                    case 3:
                        await crew.locks.unlock_all(OWNER, crew.id, client_key=worker)
                    case _:
                        more = {"handledAt": HANDLED_AT} if chance.random() < 0.5 else {"userData": {"at": at}}
                        await crew.requests.update(
                            OWNER, crew.id, id, given(number, **more), forefront=False, client_key=worker
                        )
            except RequestHandledOrLocked:
                crew.refused += 1

        for _ in range(8):
            await asyncio.gather(*(once(at) for at in range(40)))
            await self.counters_are_exact(crew)
        assert crew.refused

    async def test_queues_beside_each_other_do_not_stop_each_other(self, shelf: Shelf) -> None:
        crews = [Crew(shelf, (await shelf.queues.get_or_create(OWNER, None))[0].id) for _ in range(6)]

        async def fill_and_empty(crew: Crew, name: str) -> None:
            await crew.add([*range(20)], name)
            while numbers := await crew.lock(name, random.Random(name)):
                for number in numbers:
                    await crew.mark(name, number)

        await asyncio.gather(*(fill_and_empty(crew, f"w{at}") for crew in crews for at in range(4)))
        for crew in crews:
            assert crew.handled == Counter(range(20))

    async def test_a_list_of_what_is_pending_shows_what_nobody_touches_once(self, crew: Crew) -> None:
        for first in range(0, 200, 25):
            await crew.add([*range(first, first + 25)], "adder")
        untouched = set(range(100, 200))
        listing, chance = Listing(crew.shelf.queues), random.Random(5)

        async def disturb() -> None:
            for _ in range(2):
                for number in await crew.lock("worker", chance):
                    if chance.random() < 0.5:
                        await crew.mark("worker", number)
                    else:
                        await crew.give_back("worker", number, forefront=True)

        seen: Counter[int] = Counter()
        query = RequestsQuery(limit=17, filter=[State.PENDING], client_key="reader")
        while True:
            page, _ = await asyncio.gather(listing.page(OWNER, crew.id, query), disturb())
            for item in page.items:
                seen[int(bytes(item).partition(b'"url":"http://example.com/')[2].partition(b'"')[0])] += 1
            if not isinstance(page.next_cursor, str):
                break
            query = replace_cursor(query, page.next_cursor)
        assert {number: seen[number] for number in untouched} == dict.fromkeys(untouched, 1)

    async def counters_are_exact(self, crew: Crew, *, total: int | None = None, handled: int | None = None) -> None:
        """The queue's counters are those of its rows, and those that are expected."""
        view = await crew.shelf.queues.get(OWNER, crew.id)
        rows: list[Row] = await crew.shelf.rows("SELECT order_no, byte_count FROM queue_requests")
        assert view.total_request_count == len(rows)
        assert view.handled_request_count == sum(row["order_no"] is None for row in rows)
        assert view.pending_request_count == view.total_request_count - view.handled_request_count
        assert view.stats.storage_bytes == sum(row["byte_count"] for row in rows)
        assert total in (None, view.total_request_count)
        assert handled in (None, view.handled_request_count)


def replace_cursor(query: RequestsQuery, cursor: str) -> RequestsQuery:
    return RequestsQuery(limit=query.limit, filter=query.filter, client_key=query.client_key, cursor=cursor)
