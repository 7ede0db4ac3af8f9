"""Any sequence of what clients do to a queue, compared step by step with a simple model of one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actorium.blobs.memory import MemoryBlobs
from actorium.database.inline import Inline
from actorium.database.migrate import migrate
from actorium.kernel.principal import Principal
from actorium.request_queues.errors import RequestHandledOrLocked, RequestNotFound
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
from actorium.testing.conformance.stores import ALICE, Shelf
from queue_model import Missing, QueueModel, Refused, Who

T = TypeVar("T")

CLIENTS = [Who("one"), Who("two"), Who("three", "run0000000000000a"), Who("four", "run0000000000000a")]
NUMBERS = st.integers(0, 7)
HANDLED_AT = "2026-01-01T00:00:00.000Z"

clients = st.sampled_from(CLIENTS)
batches = st.lists(NUMBERS, min_size=1, max_size=6, unique=True)
secs = st.sampled_from([1, 5, 30])


def url(number: int) -> str:
    return f"http://example.com/{number}"


def given(number: int, note: int, *, handled: bool = False) -> dict[str, Any]:
    request = {"url": url(number), "uniqueKey": url(number), "note": note}
    return request | {"handledAt": HANDLED_AT} if handled else request


def number_of(shown: str) -> int:
    return int(shown.rpartition("/")[2])


def caller(who: Who) -> Principal:
    return replace(ALICE, run_id=who.run or None)


class QueueMachine(RuleBasedStateMachine):
    """Two queues side by side: the real one on a database in memory, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = QueueModel()
        self.notes = 0

    @initialize()
    def begin(self) -> None:
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        self.database = await Inline.open()
        await migrate(self.database, now=self.now_of(0))
        self.shelf = Shelf(self.database, MemoryBlobs())
        self.clock = self.shelf.clock
        self.id = (await self.shelf.queues.get_or_create(ALICE, None))[0].id
        self.requests, self.locks = Requests(self.shelf.queues), Locks(self.shelf.queues)
        self.listing = Listing(self.shelf.queues)

    def teardown(self) -> None:
        async def end() -> None:
            await self.shelf.schemas.close()
            await self.database.close()

        self.runner.run(end())
        self.runner.close()

    @staticmethod
    def now_of(millis: int) -> Any:
        from actorium.kernel.instant import Instant

        return Instant(millis)

    @property
    def now(self) -> int:
        return int(self.clock.now())

    def wait(self, work: Awaitable[T]) -> T:
        async def waited() -> T:
            return await work

        return self.runner.run(waited())

    def agree(self, work: Awaitable[T], expected: Any) -> tuple[T | None, Any]:
        """What the queue and the model answer; both refuse, or neither does."""
        result: T | None = None
        refusal: type[Exception] | None = None
        try:
            result = self.wait(work)
        except RequestHandledOrLocked:
            refusal = Refused
        except RequestNotFound:
            refusal = Missing
        try:
            told = expected()
        except (Refused, Missing) as error:
            assert type(error) is refusal
            return None, None
        assert refusal is None, told
        return result, told

    def note(self) -> int:
        self.notes += 1
        return self.notes

    # what clients do

    @rule(who=clients, numbers=batches, front=st.booleans(), handled=st.sets(NUMBERS, max_size=2))
    def add(self, who: Who, numbers: list[int], front: bool, handled: set[int]) -> None:
        wanted = {number: (self.note(), number in handled) for number in numbers}
        added = self.wait(
            self.requests.add_batch(
                caller(who),
                self.id,
                [given(number, note, handled=done) for number, (note, done) in wanted.items()],
                forefront=front,
                client_key=who.key,
            )
        )
        told = self.model.add(who, wanted, self.now, front=front)
        assert not added.unprocessed_requests
        assert {
            number_of(one.unique_key): (one.was_already_present, one.was_already_handled)
            for one in added.processed_requests
        } == told

    @rule(who=clients, number=NUMBERS, front=st.booleans(), handled=st.booleans())
    def update(self, who: Who, number: int, front: bool, handled: bool) -> None:
        note = self.note()
        result, told = self.agree(
            self.requests.update(
                caller(who),
                self.id,
                request_id(url(number)),
                given(number, note, handled=handled),
                forefront=front,
                client_key=who.key,
            ),
            lambda: self.model.update(who, number, note, self.now, handled=handled, front=front),
        )
        if result is not None:
            assert (result.was_already_present, result.was_already_handled) == told

    @precondition(lambda self: self.model.pending() != self.model.waiting(self.now))
    @rule(data=st.data(), front=st.booleans(), handled=st.booleans())
    def update_what_is_held(self, data: st.DataObject, front: bool, handled: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.pending() - self.model.waiting(self.now))))
        self.update(self.model.requests[number].holder, number, front, handled)

    @rule(who=clients, numbers=batches, by_key=st.booleans())
    def delete_batch(self, who: Who, numbers: list[int], by_key: bool) -> None:
        named = [
            DeletedRequest(unique_key=url(number)) if by_key else DeletedRequest(id=request_id(url(number)))
            for number in numbers
        ]
        deleted = self.wait(self.requests.delete_batch(caller(who), self.id, named, client_key=who.key))
        stayed = self.model.delete(who, numbers, self.now)
        assert {number_of(str(one.url)) for one in deleted.unprocessed_requests} == stayed
        assert {one.id for one in deleted.processed_requests} == {
            request_id(url(number)) for number in set(numbers) - stayed
        }

    @rule(who=clients, number=NUMBERS)
    def delete(self, who: Who, number: int) -> None:
        def expected() -> None:
            request = self.model.requests.get(number)
            if request is not None and self.model.locked(number, self.now):
                holder = request.holder
                if holder.key != who.key and (not who.run or holder.run != who.run):
                    raise Refused
            self.model.delete(who, [number], self.now)

        self.agree(
            self.requests.delete(caller(who), self.id, request_id(url(number)), client_key=who.key),
            expected,
        )

    @rule(who=clients, lock_secs=secs, limit=st.integers(1, 5))
    def lock_head(self, who: Who, lock_secs: int, limit: int) -> None:
        query = LockHeadQuery(lock_secs=lock_secs, limit=limit, client_key=who.key)
        head = self.wait(self.locks.lock_head(caller(who), self.id, query))
        numbers = [number_of(item.url) for item in head.items]
        assert len(numbers) == min(limit, len(self.model.waiting(self.now)))
        assert self.model.heads(numbers, self.now)
        until = self.now + lock_secs * 1000
        assert {item.lock_expires_at for item in head.items} <= {until}
        self.model.lock(who, numbers, until, self.now)
        assert head.had_multiple_clients == self.model.several_clients
        assert head.queue_has_locked_requests == (self.model.pending() != self.model.waiting(self.now))

    @rule(who=clients, number=NUMBERS, lock_secs=secs, front=st.booleans())
    def prolong(self, who: Who, number: int, lock_secs: int, front: bool) -> None:
        until = self.now + lock_secs * 1000
        query = ProlongQuery(lock_secs=lock_secs, client_key=who.key, forefront=front)
        result, _ = self.agree(
            self.locks.prolong(caller(who), self.id, request_id(url(number)), query),
            lambda: self.model.prolong(who, number, until, self.now, front=front),
        )
        assert result is None or result.lock_expires_at == until

    @rule(who=clients, number=NUMBERS, front=st.booleans())
    def unlock(self, who: Who, number: int, front: bool) -> None:
        self.agree(
            self.locks.unlock(caller(who), self.id, request_id(url(number)), forefront=front, client_key=who.key),
            lambda: self.model.unlock(who, number, self.now, front=front),
        )

    @rule(who=clients)
    def unlock_all(self, who: Who) -> None:
        unlocked = self.wait(self.locks.unlock_all(caller(who), self.id, client_key=who.key))
        held = self.model.held(who, self.now)
        assert unlocked.unlocked_count == len(held)
        stands = [number for number in self.head(who) if number in held]
        assert set(stands) == held
        assert self.model.in_order(stands), "those that are given back together keep their order"
        self.model.unlock_all(who, stands, self.now)

    @rule(passed=st.sampled_from([0.001, 1, 5, 30]))
    def time_passes(self, passed: float) -> None:
        self.wait(self.clock.advance(passed))

    @rule(passed=st.sampled_from([0.001, 3, 30]))
    def the_clock_is_set_back(self, passed: float) -> None:
        self.wait(self.clock.advance(-passed))

    # what is true after each step

    def head(self, who: Who) -> list[int]:
        head = self.wait(self.locks.head(caller(who), self.id, HeadQuery(limit=1000, client_key=who.key)))
        return [number_of(item.url) for item in head.items]

    @invariant()
    def the_head_is_what_waits_in_order(self) -> None:
        who = CLIENTS[0]
        numbers = self.head(who)
        self.model.seen(who)
        assert set(numbers) == self.model.waiting(self.now)
        assert len(numbers) == len(set(numbers))
        assert self.model.in_order(numbers)

    @invariant()
    def the_counters_are_exact(self) -> None:
        view = self.wait(self.shelf.queues.get(ALICE, self.id))
        requests = self.model.requests
        pending = len(self.model.pending())
        assert (view.total_request_count, view.pending_request_count) == (len(requests), pending)
        assert view.handled_request_count == len(requests) - pending
        assert view.had_multiple_clients == self.model.several_clients
        rows = self.wait(self.shelf.rows("SELECT byte_count, document FROM queue_requests"))
        assert [row["byte_count"] for row in rows] == [len(row["document"].encode()) for row in rows]
        assert view.stats.storage_bytes == sum(row["byte_count"] for row in rows)

    @rule()
    def lists_show_each_once_as_it_is(self) -> None:
        listed = self.listed()
        requests = self.model.requests
        assert {number: one["note"] for number, one in listed.items()} == {n: r.note for n, r in requests.items()}
        locked = {n for n in requests if self.model.locked(n, self.now)}
        for number, shown in listed.items():
            assert ("handledAt" in shown) == requests[number].handled
            assert shown.get("lockByClient") == (requests[number].holder.key if number in locked else None)
        assert self.listed(State.LOCKED).keys() == locked
        assert self.listed(State.PENDING).keys() == self.model.pending()
        assert self.listed(State.LOCKED, State.PENDING).keys() == self.model.pending()

    def listed(self, *states: State) -> dict[int, Any]:
        """Every page of a list, two or five requests each."""
        found: dict[int, Any] = {}
        cursor = None
        while True:
            query = RequestsQuery(
                limit=5 if states else 2, filter=list(states) or None, cursor=cursor, client_key="one"
            )
            page = self.wait(self.listing.page(ALICE, self.id, query))
            for item in page.items:
                shown = msgspec.json.decode(item)
                assert number_of(shown["url"]) not in found
                found[number_of(shown["url"])] = shown
            if page.next_cursor is msgspec.UNSET:
                return found
            cursor = page.next_cursor


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
