"""What request queues must do on every pairing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from actorium.kernel.errors import InvalidInput, NotFound
from actorium.kernel.limits import SWEPT_ROWS_PER_WRITE
from actorium.kernel.principal import Principal
from actorium.request_queues.errors import (
    DuplicateRequests,
    InvalidClientKey,
    RequestHandledOrLocked,
    RequestIdInvalid,
    RequestNotFound,
)
from actorium.request_queues.listing import Listing
from actorium.request_queues.locks import Locks
from actorium.request_queues.model import (
    DeletedRequest,
    HeadQuery,
    LockHeadQuery,
    ProlongQuery,
    RequestsQuery,
    State,
)
from actorium.request_queues.requests import request_id
from actorium.request_queues.work import Requests
from actorium.testing.conformance.stores import ALICE, BOB, Shelf, StoresConformance

OWNER = replace(ALICE, run_id=None)
HANDLED_AT = "2026-01-01T00:00:00.000Z"


def url(number: int) -> str:
    return f"http://example.com/{number}"


def request(number: int, **more: Any) -> dict[str, Any]:
    return {"url": url(number), "uniqueKey": url(number)} | more


class Queue:
    """One queue, spoken to in short."""

    def __init__(self, shelf: Shelf, id: str) -> None:
        self.shelf = shelf
        self.id = id
        self.requests = Requests(shelf.queues)
        self.locks = Locks(shelf.queues)
        self.listing = Listing(shelf.queues)

    async def add(self, *numbers: int, forefront: bool = False, client: str | None = "one") -> None:
        given = [request(number) for number in numbers]
        added = await self.requests.add_batch(OWNER, self.id, given, forefront=forefront, client_key=client)
        assert not added.unprocessed_requests

    async def head(self, *, client: str | None = "one", limit: int = 0) -> list[int]:
        head = await self.locks.head(OWNER, self.id, HeadQuery(limit=limit, client_key=client))
        return [int(item.url.rpartition("/")[2]) for item in head.items]

    async def lock(
        self, *, client: str | None = "one", secs: float = 60, limit: int = 0, who: Principal = OWNER
    ) -> list[int]:
        query = LockHeadQuery(lock_secs=secs, limit=limit, client_key=client)
        head = await self.locks.lock_head(who, self.id, query)
        return [int(item.url.rpartition("/")[2]) for item in head.items]

    async def update(self, number: int, *, client: str | None = "one", forefront: bool = False, **more: Any) -> Any:
        given = request(number, **more)
        return await self.requests.update(
            OWNER, self.id, request_id(url(number)), given, forefront=forefront, client_key=client
        )

    async def unlock(self, number: int, *, client: str = "one", forefront: bool = False) -> None:
        await self.locks.unlock(OWNER, self.id, request_id(url(number)), forefront=forefront, client_key=client)

    async def counts(self) -> tuple[int, int, int]:
        """Total, handled and pending, after comparing them with the rows."""
        view = await self.shelf.queues.get(OWNER, self.id)
        rows = await self.shelf.rows("SELECT order_no, byte_count FROM queue_requests")
        assert view.total_request_count == len(rows)
        assert view.handled_request_count == sum(row["order_no"] is None for row in rows)
        assert view.stats.storage_bytes == sum(row["byte_count"] for row in rows)
        return view.total_request_count, view.handled_request_count, view.pending_request_count


class RequestQueuesConformance(StoresConformance):
    """Request queues, their order and their locks."""

    @pytest.fixture
    async def queue(self, shelf: Shelf) -> Queue:
        view, _ = await shelf.queues.get_or_create(OWNER, None)
        return Queue(shelf, view.id)

    async def test_ids_are_those_of_the_clients(self, queue: Queue) -> None:
        assert request_id("http://example.com") == "8OamqXBCpPHxyH9"
        assert request_id("https://example.com/a?b=1") == "bLVHrHPuI7ehWCN"
        with pytest.raises(RequestIdInvalid):
            await queue.requests.add(OWNER, queue.id, request(1, id="x" * 15), forefront=False, client_key=None)

    async def test_a_second_add_changes_nothing(self, queue: Queue) -> None:
        given = request(1, userData={"a": 1}, custom=[1, {"x": None}])
        first = await queue.requests.add(OWNER, queue.id, given, forefront=False, client_key="one")
        await queue.add(2)
        again = await queue.requests.add(OWNER, queue.id, request(1), forefront=True, client_key="one")
        assert (first.was_already_present, again.was_already_present, again.was_already_handled) == (False, True, False)
        assert await queue.head() == [1, 2]
        shown = msgspec.json.decode(await queue.listing.get(OWNER, queue.id, first.request_id))
        assert shown == {"id": first.request_id, "method": "GET", "retryCount": 0, **given}
        assert await queue.counts() == (2, 0, 2)

    async def test_order_is_first_in_first_out_but_for_the_forefront(self, queue: Queue) -> None:
        await queue.add(1, 2, 3)
        await queue.add(10, forefront=True)
        await queue.shelf.clock.advance(1)
        await queue.add(20, 21, forefront=True)
        await queue.add(4)
        assert await queue.head() == [20, 21, 10, 1, 2, 3, 4]
        assert await queue.head(limit=2) == [20, 21]
        assert await queue.lock(limit=4) == [20, 21, 10, 1]
        assert await queue.head() == [2, 3, 4]

    async def test_eight_clients_get_each_request_once(self, queue: Queue) -> None:
        numbers = range(200)
        for first in range(0, 200, 25):
            await queue.add(*range(first, first + 25))
        done: list[int] = []

        async def work(client: str) -> None:
            while locked := await queue.lock(client=client, limit=3):
                for number in locked:
                    done.append(number)
                    await queue.update(number, client=client, handledAt=HANDLED_AT)

        await asyncio.gather(*(work(f"client-{at}") for at in range(8)))
        assert sorted(done) == list(numbers)
        assert await queue.counts() == (200, 200, 0)
        assert await queue.head() == []

    async def test_locks_end_by_the_clock(self, queue: Queue) -> None:
        await queue.add(1, 2, 3)
        assert await queue.lock(client="one", secs=10, limit=2) == [1, 2]
        assert await queue.lock(client="two") == [3]
        await queue.shelf.clock.advance(9.999)
        assert await queue.lock(client="two") == []
        await queue.shelf.clock.advance(0.001)
        assert await queue.head(client="two") == [1, 2]
        assert await queue.lock(client="two") == [1, 2]
        with pytest.raises(RequestHandledOrLocked):
            await queue.update(1, client="one", handledAt=HANDLED_AT)

    async def test_the_order_survives_a_clock_that_goes_back(self, queue: Queue) -> None:
        await queue.shelf.clock.advance(100)
        await queue.add(1)
        assert await queue.lock(secs=5) == [1]
        await queue.shelf.clock.advance(-90)
        await queue.add(2, 3)
        await queue.add(4, forefront=True)
        assert await queue.head() == [4, 2, 3]
        await queue.shelf.clock.advance(96)
        assert sorted(await queue.lock()) == [1, 2, 3, 4]

    async def test_prolonging(self, queue: Queue) -> None:
        await queue.add(1, 2)
        assert await queue.lock(secs=10, limit=1) == [1]
        first = request_id(url(1))

        async def prolong(client: str, *, forefront: bool = False) -> Any:
            query = ProlongQuery(lock_secs=30, client_key=client, forefront=forefront)
            return await queue.locks.prolong(OWNER, queue.id, first, query)

        await queue.shelf.clock.advance(5)
        assert (await prolong("one")).lock_expires_at == queue.shelf.clock.now().plus(secs=30)
        with pytest.raises(RequestHandledOrLocked):
            await prolong("two")
        await queue.shelf.clock.advance(29)
        assert await queue.head() == [2]
        await prolong("one", forefront=True)
        await queue.shelf.clock.advance(30)
        assert await queue.head() == [1, 2]
        with pytest.raises(RequestNotFound):
            await queue.locks.prolong(OWNER, queue.id, "x" * 15, ProlongQuery(lock_secs=1, client_key="one"))
        await queue.update(1, handledAt=HANDLED_AT)
        with pytest.raises(RequestHandledOrLocked):
            await prolong("one")

    async def test_unlocking(self, queue: Queue) -> None:
        await queue.add(1, 2, 3, 4)
        assert await queue.lock(limit=3) == [1, 2, 3]
        with pytest.raises(RequestHandledOrLocked):
            await queue.unlock(1, client="two")
        await queue.unlock(1)
        await queue.unlock(2, forefront=True)
        await queue.unlock(4)  # was never locked
        assert await queue.head() == [2, 4, 1]
        with pytest.raises(RequestNotFound):
            await queue.unlock(99)

    async def test_unlocking_all_is_by_client_and_by_run(self, queue: Queue) -> None:
        await queue.add(*range(10))
        run = replace(OWNER, run_id="run00000000000009")
        assert await queue.lock(client="one", limit=2) == [0, 1]
        assert await queue.lock(client="of-the-run", limit=3, who=run) == [2, 3, 4]
        assert await queue.lock(client="of-the-run-too", limit=1, who=run) == [5]
        assert (await queue.locks.unlock_all(OWNER, queue.id, client_key="nobody")).unlocked_count == 0
        assert (await queue.locks.unlock_all(run, queue.id, client_key="one")).unlocked_count == 6
        assert sorted(await queue.head()) == list(range(10))

    async def test_updating(self, queue: Queue) -> None:
        added = await queue.update(1)
        assert (added.was_already_present, added.was_already_handled) == (False, False)
        await queue.add(2)
        handled = await queue.update(1, handledAt=HANDLED_AT, retryCount=2)
        assert (handled.was_already_present, handled.was_already_handled) == (True, False)
        assert await queue.head() == [2]
        assert await queue.counts() == (2, 1, 1)
        again = await queue.requests.add(OWNER, queue.id, request(1), forefront=False, client_key="one")
        assert again.was_already_handled
        assert (await queue.update(1, forefront=True)).was_already_handled
        assert await queue.head() == [1, 2]
        await queue.update(1)
        assert await queue.head() == [2, 1]
        assert await queue.counts() == (2, 0, 2)
        with pytest.raises(RequestIdInvalid):
            await queue.requests.update(OWNER, queue.id, "x" * 15, request(1), forefront=False, client_key="one")

    async def test_reclaiming_as_the_sdk_does(self, queue: Queue) -> None:
        await queue.add(1, 2)
        assert await queue.lock(limit=1) == [1]
        await queue.update(1, retryCount=1, forefront=True)
        assert await queue.head() == [2], "still locked"
        await queue.unlock(1, forefront=True)
        assert await queue.head() == [1, 2]

    async def test_deleting(self, queue: Queue) -> None:
        await queue.add(1, 2, 3, 4)
        await queue.update(1, handledAt=HANDLED_AT)
        await queue.requests.delete(OWNER, queue.id, request_id(url(1)), client_key="one")
        assert await queue.counts() == (3, 0, 3)
        await queue.requests.delete(OWNER, queue.id, request_id(url(1)), client_key="one")
        assert await queue.lock(client="two", limit=1) == [2]
        with pytest.raises(RequestHandledOrLocked):
            await queue.requests.delete(OWNER, queue.id, request_id(url(2)), client_key="one")
        named = [DeletedRequest(id=request_id(url(2))), DeletedRequest(unique_key=url(3)), DeletedRequest(id="gone")]
        deleted = await queue.requests.delete_batch(OWNER, queue.id, named, client_key="one")
        assert [one.id for one in deleted.processed_requests] == [request_id(url(3)), "gone"]
        assert [one.id for one in deleted.unprocessed_requests] == [request_id(url(2))]
        assert await queue.counts() == (2, 0, 2)

    async def test_batches_are_bounded_and_without_doubles(self, queue: Queue) -> None:
        with pytest.raises(InvalidInput):
            await queue.add(*range(26))
        with pytest.raises(InvalidInput):
            await queue.add()
        with pytest.raises(DuplicateRequests):
            await queue.add(1, 1)
        assert await queue.counts() == (0, 0, 0)

    @pytest.mark.parametrize(
        "given", [{}, {"url": 1}, {"url": ""}, {"url": "a", "method": "FETCH"}, {"url": "a", "handledAt": "soon"}]
    )
    async def test_what_is_no_request_is_refused(self, queue: Queue, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            await queue.requests.add(OWNER, queue.id, given, forefront=False, client_key="one")

    async def test_several_clients_are_noticed(self, queue: Queue) -> None:
        async def had_multiple(client: str | None) -> bool:
            query = HeadQuery(client_key=client)
            return (await queue.locks.head(OWNER, queue.id, query)).had_multiple_clients

        await queue.add(1, client="one")
        assert [await had_multiple("one"), await had_multiple("one")] == [False, False]
        assert await had_multiple("two")
        assert await had_multiple("one")
        assert (await queue.shelf.queues.get(OWNER, queue.id)).had_multiple_clients

    async def test_without_a_key_each_call_is_a_client(self, queue: Queue) -> None:
        await queue.add(1, client=None)
        assert await queue.lock(client=None) == [1]
        assert (await queue.shelf.queues.get(OWNER, queue.id)).had_multiple_clients
        with pytest.raises(InvalidClientKey):
            await queue.head(client="x" * 33)

    async def test_listing_goes_through_all(self, queue: Queue) -> None:
        for first in range(0, 600, 25):
            await queue.add(*range(first, first + 25))
        await queue.update(0, handledAt=HANDLED_AT)
        await queue.lock(limit=5)
        seen: list[dict[str, Any]] = []
        query = RequestsQuery(limit=270)
        while True:
            page = await queue.listing.page(OWNER, queue.id, query)
            seen += [msgspec.json.decode(item) for item in page.items]
            if page.next_cursor is msgspec.UNSET:
                break
            assert len(page.items) == 270
            query = RequestsQuery(limit=270, cursor=page.next_cursor)
        assert [item["id"] for item in seen] == sorted(request_id(url(number)) for number in range(600))
        assert sum(item.get("lockByClient") == "one" for item in seen) == 5
        for states, count in (([State.LOCKED], 5), ([State.PENDING], 599), ([State.LOCKED, State.PENDING], 599)):
            page = await queue.listing.page(OWNER, queue.id, RequestsQuery(filter=states))
            assert len(page.items) == count
        start = RequestsQuery(exclusive_start_id=seen[-3]["id"])
        assert len((await queue.listing.page(OWNER, queue.id, start)).items) == 2
        for bad in (RequestsQuery(cursor="!"), RequestsQuery(cursor="e30"), RequestsQuery(cursor="é")):
            with pytest.raises(InvalidInput):
                await queue.listing.page(OWNER, queue.id, bad)

    async def test_deleted_contents_leave_in_steps(self, queue: Queue) -> None:
        for first in range(0, SWEPT_ROWS_PER_WRITE + 25, 25):
            await queue.add(*range(first, first + 25))
        await queue.shelf.queues.delete(OWNER, queue.id)
        await queue.shelf.sweeper.tick()
        assert await queue.shelf.rows("SELECT * FROM queue_requests") == []
        assert await queue.shelf.rows("SELECT * FROM storage_remains") == []

    async def test_others_neither_see_nor_learn(self, queue: Queue) -> None:
        await queue.add(1)
        first = request_id(url(1))
        for attempt in (
            queue.shelf.queues.get(BOB, queue.id),
            queue.locks.head(BOB, queue.id, HeadQuery()),
            queue.lock(who=BOB),
            queue.listing.get(BOB, queue.id, first),
            queue.listing.page(BOB, queue.id, RequestsQuery()),
            queue.requests.add(BOB, queue.id, request(2), forefront=False, client_key=None),
            queue.requests.update(BOB, queue.id, first, request(1), forefront=False, client_key=None),
            queue.requests.delete(BOB, queue.id, first, client_key=None),
            queue.locks.unlock_all(BOB, queue.id, client_key="one"),
            queue.shelf.queues.delete(BOB, queue.id),
        ):
            with pytest.raises(NotFound, match="Insufficient permissions for the request queue"):
                await attempt
        assert await queue.counts() == (1, 0, 1)
