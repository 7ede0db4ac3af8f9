"""What copies of storages must be on every pairing: one moment of their source, and from then on nobody else's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec
import pytest

from actorium.blobs import Blobs
from actorium.database import Tx
from actorium.datasets import store as datasets_store
from actorium.datasets.chunks import Reader
from actorium.datasets.segments import plan
from actorium.datasets.segments import store as segments_store
from actorium.datasets.segments.merging import Merger
from actorium.kernel.limits import DATASET_INLINE_BYTES_MAX, INLINE_BYTES_MAX
from actorium.request_queues.listing import Listing
from actorium.request_queues.locks import Locks
from actorium.request_queues.model import HeadQuery, LockHeadQuery
from actorium.request_queues.requests import request_id
from actorium.request_queues.work import Requests
from actorium.runs.model import StorageIds
from actorium.runs.snapshots import Snapshots
from actorium.runs.start import Storages
from actorium.storages.garbage import GarbageCollector
from actorium.storages.store import discarded_blobs, forget_discarded
from actorium.testing.conformance.stores import ALICE, Shelf, StoresConformance
from actorium.testing.conformance.stores_request_queues import HANDLED_AT, request, url

OWNER = replace(ALICE, run_id=None)
STEPS = 160


@dataclass
class Held:
    """What one set of storages must hold."""

    ids: StorageIds
    items: list[bytes] = field(default_factory=list)
    records: dict[str, bytes] = field(default_factory=dict)
    requests: dict[int, bool] = field(default_factory=dict)
    """Whether each is handled."""

    @property
    def dataset(self) -> str:
        return self.ids.datasets["default"]

    @property
    def store(self) -> str:
        return self.ids.key_value_stores["default"]

    @property
    def queue(self) -> str:
        return self.ids.request_queues["default"]


class Copier:
    """Sets of storages, and what is done to them."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.storages = Storages(datasets=shelf.datasets, key_value_stores=shelf.stores, request_queues=shelf.queues)
        self.snapshots = Snapshots(self.storages)
        self.requests, self.locks, self.listing = Requests(shelf.queues), Locks(shelf.queues), Listing(shelf.queues)
        self.merger = Merger(shelf.database, shelf.blobs, ids=shelf.ids, clock=shelf.clock)

    def new_ids(self) -> StorageIds:
        one, two, three = (self.shelf.ids.new() for _ in range(3))
        return StorageIds(
            datasets={"default": one}, key_value_stores={"default": two}, request_queues={"default": three}
        )

    def make_in(self, tx: Tx, ids: StorageIds) -> None:
        now = self.shelf.clock.now()
        self.storages.datasets.create_in(tx, id=ids.datasets["default"], owner_id=OWNER.user_id, now=now)
        self.storages.key_value_stores.create_in(
            tx, id=ids.key_value_stores["default"], owner_id=OWNER.user_id, now=now
        )
        self.storages.request_queues.create_in(tx, id=ids.request_queues["default"], owner_id=OWNER.user_id, now=now)

    async def made(self) -> Held:
        ids = self.new_ids()
        await self.shelf.database.write(lambda tx: self.make_in(tx, ids))
        return Held(ids)

    async def copied(self, source: StorageIds) -> StorageIds:
        ids = self.new_ids()

        def work(tx: Tx) -> None:
            self.snapshots.hold_in(tx, source)
            self.make_in(tx, ids)
            self.snapshots.copy_in(tx, source, ids)

        await self.shelf.database.write(work)
        return ids

    async def deleted(self, ids: StorageIds) -> None:
        def work(tx: Tx) -> None:
            self.storages.datasets.delete_in(tx, ids.datasets["default"])
            self.storages.key_value_stores.delete_in(tx, ids.key_value_stores["default"])
            self.storages.request_queues.delete_in(tx, ids.request_queues["default"])

        await self.shelf.database.write(work)

    async def clean(self) -> None:
        """Let the loops come by."""
        await self.shelf.sweeper.tick()
        await GarbageCollector(self.shelf.database, self.shelf.blobs).tick()

    # Looking

    async def items(self, dataset_id: str) -> list[bytes]:
        view = await self.shelf.datasets.get(OWNER, dataset_id)
        blocks = Reader(self.shelf.database, self.shelf.blobs).blocks(
            dataset_id, start=0, end=view.item_count, desc=False
        )
        return [item async for block in blocks for item in block.split(b"\n")]

    async def records(self, store_id: str) -> dict[str, bytes]:
        def work(tx: Tx) -> list[tuple[str, str | None, bytes]]:
            rows = tx.all("SELECT key, blob_key, payload FROM key_value_records WHERE store_id = :id", id=store_id)
            return [(row["key"], row["blob_key"], bytes(row["payload"] or b"")) for row in rows]

        rows = await self.shelf.database.read(work)
        blobs: Blobs = self.shelf.blobs
        return {key: payload if blob is None else await blobs.get(blob) for key, blob, payload in rows}

    async def handled(self, queue_id: str) -> dict[str, bool]:
        def work(tx: Tx) -> dict[str, bool]:
            rows = tx.all("SELECT id, order_no FROM queue_requests WHERE queue_id = :id", id=queue_id)
            return {row["id"]: row["order_no"] is None for row in rows}

        return await self.shelf.database.read(work)

    async def order(self, queue_id: str) -> list[str]:
        """What is pending or locked, by its place."""

        def work(tx: Tx) -> list[str]:
            rows = tx.all(
                "SELECT id FROM queue_requests WHERE queue_id = :id AND order_no IS NOT NULL ORDER BY order_no, id",
                id=queue_id,
            )
            return [row["id"] for row in rows]

        return await self.shelf.database.read(work)

    async def head(self, queue_id: str) -> list[str]:
        head = await self.locks.head(OWNER, queue_id, HeadQuery(limit=1000, client_key="looking"))
        return [one.id for one in head.items]

    async def check(self, held: Held) -> None:
        """Everything is as the model says, the counts of the objects included."""
        assert await self.items(held.dataset) == held.items
        assert await self.records(held.store) == held.records
        store = await self.shelf.stores.get(OWNER, held.store)
        assert store.stats.storage_bytes == sum(map(len, held.records.values()))
        queue = await self.shelf.queues.get(OWNER, held.queue)
        assert await self.handled(held.queue) == {request_id(url(n)): done for n, done in held.requests.items()}
        assert queue.total_request_count == len(held.requests)
        assert queue.handled_request_count == sum(held.requests.values())


class Player:
    """Does at random what clients, loops and those who fork do."""

    def __init__(self, copier: Copier, seed: int) -> None:
        self.copier = copier
        self.chance = random.Random(seed)
        self.held: list[Held] = []
        self.count = 0

    async def play(self) -> None:
        self.held = [await self.copier.made()]
        moves: list[tuple[int, Callable[[Held], object]]] = [
            (30, self.push),
            (20, self.put),
            (8, self.remove),
            (20, self.request),
            (8, self.lock),
            (8, self.handle),
            (8, self.fork),
            (4, self.delete),
            (8, self.loops),
        ]
        for step in range(STEPS):
            [move] = self.chance.choices([move for _, move in moves], [weight for weight, _ in moves])
            await move(self.chance.choice(self.held))  # type: ignore[misc]
            if step % 16 == 15:
                for one in self.held:
                    await self.copier.check(one)
        await self.last_ones()

    async def last_ones(self) -> None:
        """One after the other goes; the others stay whole, and with the last one the last blob."""
        while self.held:
            await self.copier.deleted(self.held.pop(self.chance.randrange(len(self.held))).ids)
            await self.copier.clean()
            for one in self.held:
                await self.copier.check(one)
        assert await self.copier.shelf.blob_keys() == set()

    def next(self) -> int:
        self.count += 1
        return self.count

    async def push(self, held: Held) -> None:
        size = self.chance.choice((10, 10, 40_000, DATASET_INLINE_BYTES_MAX + 1))
        items = [msgspec.json.encode({"n": self.next(), "text": "x" * size}) for _ in range(self.chance.choice((1, 3)))]
        await self.copier.shelf.datasets.push(OWNER, held.dataset, b"[%b]" % b",".join(items))
        held.items += items

    async def put(self, held: Held) -> None:
        key = f"key-{self.chance.randrange(5)}"
        content = b"%d" % self.next() * self.chance.choice((1, INLINE_BYTES_MAX))
        await self.copier.shelf.stores.put(OWNER, held.store, key, content, content_type="text/plain")
        held.records[key] = content

    async def remove(self, held: Held) -> None:
        key = f"key-{self.chance.randrange(5)}"
        await self.copier.shelf.stores.delete_record(OWNER, held.store, key)
        held.records.pop(key, None)

    async def request(self, held: Held) -> None:
        number = self.next()
        await self.copier.requests.add(
            OWNER, held.queue, request(number), forefront=self.chance.random() < 0.3, client_key="one"
        )
        held.requests[number] = False

    async def lock(self, held: Held) -> None:
        await self.copier.locks.lock_head(OWNER, held.queue, LockHeadQuery(lock_secs=60, limit=2, client_key="one"))
        await self.copier.shelf.clock.advance(self.chance.choice((0.001, 40)))

    async def handle(self, held: Held) -> None:
        pending = [number for number, done in held.requests.items() if not done]
        if pending:
            number = self.chance.choice(pending)
            given = request(number, handledAt=HANDLED_AT)
            await self.copier.requests.update(
                OWNER, held.queue, request_id(url(number)), given, forefront=False, client_key="one"
            )
            held.requests[number] = True

    async def fork(self, held: Held) -> None:
        if len(self.held) < 5:
            order = await self.copier.order(held.queue)
            ids = await self.copier.copied(held.ids)
            copy = Held(ids, [*held.items], {**held.records}, {**held.requests})
            self.held.append(copy)
            await self.copier.check(copy)
            assert await self.copier.head(copy.queue) == order, "in the order of the source, and nothing is locked"
            assert await self.copier.order(held.queue) == order

    async def delete(self, held: Held) -> None:
        if len(self.held) > 1:
            self.held.remove(held)
            await self.copier.deleted(held.ids)

    async def loops(self, _: Held) -> None:
        await self.copier.merger.tick()
        await self.copier.clean()


class CopiesConformance(StoresConformance):
    """Forking, writing to both, merging, deleting and collecting garbage."""

    @pytest.fixture
    def copier(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Copier:
        for module in (plan, datasets_store, segments_store):
            monkeypatch.setattr(module, "SEGMENT_CHUNKS", 4)
            monkeypatch.setattr(module, "SEGMENT_BYTES", 400_000)
        return Copier(shelf)

    @pytest.mark.parametrize("seed", [1, 2])
    async def test_each_goes_its_own_way(self, copier: Copier, seed: int) -> None:
        await Player(copier, seed).play()

    async def test_no_byte_of_a_blob_is_copied(self, copier: Copier) -> None:
        held = await copier.made()
        big = b"x" * (INLINE_BYTES_MAX + 1)
        await copier.shelf.stores.put(OWNER, held.store, "big", big, content_type="text/plain")
        await copier.shelf.datasets.push(OWNER, held.dataset, b'{"a":"%b"}' % (b"x" * DATASET_INLINE_BYTES_MAX))
        before = await copier.shelf.blob_keys()
        ids = await copier.copied(held.ids)
        assert await copier.shelf.blob_keys() == before
        assert len(before) == 2
        await copier.shelf.stores.put(OWNER, held.store, "big", b"small", content_type="text/plain")
        assert len(await copier.shelf.discarded()) == 1
        await copier.clean()
        assert await copier.shelf.discarded() == set()
        assert await copier.shelf.blob_keys() == before
        assert await copier.records(ids.key_value_stores["default"]) == {"big": big}

    async def test_both_give_up_a_blob_at_once(self, copier: Copier) -> None:
        held = await copier.made()
        big = b"x" * (INLINE_BYTES_MAX + 1)
        stores = copier.shelf.stores
        for turn in range(4):
            await stores.put(OWNER, held.store, "big", big, content_type="text/plain")
            ids = await copier.copied(held.ids)
            await asyncio.gather(
                stores.delete_record(OWNER, held.store, "big"),
                copier.clean(),
                stores.delete_record(OWNER, ids.key_value_stores["default"], "big"),
            )
            await copier.clean()
            assert await copier.shelf.blob_keys() == set(), f"turn {turn}"
            assert await copier.shelf.discarded() == set()

    async def test_what_is_given_up_while_the_collector_looks_is_not_forgotten(self, copier: Copier) -> None:
        held = await copier.made()
        big = b"x" * (INLINE_BYTES_MAX + 1)
        await copier.shelf.stores.put(OWNER, held.store, "big", big, content_type="text/plain")
        ids = await copier.copied(held.ids)
        await copier.shelf.stores.delete_record(OWNER, held.store, "big")
        [seen] = await copier.shelf.database.read(discarded_blobs)
        assert seen.is_shared
        await copier.shelf.stores.delete_record(OWNER, ids.key_value_stores["default"], "big")
        await copier.shelf.database.write(partial(forget_discarded, blobs=[seen]))
        assert await copier.shelf.discarded() == {seen.key}
        await copier.clean()
        assert await copier.shelf.blob_keys() == set()
        assert await copier.shelf.discarded() == set()

    async def test_a_copy_of_many_pieces_grows_together_by_itself(self, copier: Copier) -> None:
        held = await copier.made()
        items = [b'{"n":%d}' % number for number in range(6)]
        for item in items:
            await copier.shelf.datasets.push(OWNER, held.dataset, item)
        ids = await copier.copied(held.ids)
        await copier.deleted(held.ids)
        await copier.clean()
        await copier.merger.tick()
        assert len(await copier.shelf.rows("SELECT first_index FROM dataset_chunks")) == 1
        assert await copier.items(ids.datasets["default"]) == items

    async def test_a_copy_is_one_moment(self, copier: Copier) -> None:
        """Whoever writes to all three in turn finds a copy in which none is ahead by more than its turn."""
        held = await copier.made()
        done = asyncio.Event()

        async def write() -> None:
            for number in range(60):
                await copier.requests.add(OWNER, held.queue, request(number), forefront=False, client_key="one")
                await copier.shelf.stores.put(OWNER, held.store, "STATE", b"%d" % number, content_type="text/plain")
                await copier.shelf.datasets.push(OWNER, held.dataset, b'{"n":%d}' % number)
                await copier.shelf.clock.advance(0.001)
            done.set()

        async def fork() -> list[StorageIds]:
            copies: list[StorageIds] = []
            while not done.is_set() and len(copies) < 40:
                copies.append(await copier.copied(held.ids))
                await copier.shelf.clock.advance(0.001)
            return copies

        async def work() -> None:
            while not done.is_set():
                await copier.merger.tick()
                await copier.clean()
                await copier.shelf.clock.advance(0.001)  # the others have their turn

        copies, _, _ = await asyncio.gather(fork(), write(), work())
        assert len(copies) > 2
        for ids in copies:
            items = [msgspec.json.decode(item)["n"] for item in await copier.items(ids.datasets["default"])]
            assert items == [*range(len(items))], "a prefix"
            state = int((await copier.records(ids.key_value_stores["default"])).get("STATE", b"-1"))
            requests = len(await copier.handled(ids.request_queues["default"]))
            assert len(items) <= state + 1 <= requests <= len(items) + 1
        await copier.check(
            Held(
                held.ids,
                [b'{"n":%d}' % number for number in range(60)],
                {"STATE": b"59"},
                dict.fromkeys(range(60), False),
            )
        )

    async def test_locked_requests_come_back_in_their_order(self, copier: Copier) -> None:
        held = await copier.made()
        for number in range(6):
            await copier.requests.add(OWNER, held.queue, request(number), forefront=number > 3, client_key="one")
        await copier.locks.lock_head(OWNER, held.queue, LockHeadQuery(lock_secs=60, limit=4, client_key="one"))
        ids = await copier.copied(held.ids)
        queue = ids.request_queues["default"]
        expected = [request_id(url(number)) for number in (5, 4, 2, 3, 0, 1)]
        assert await copier.head(queue) == expected
        locked = await copier.locks.lock_head(OWNER, queue, LockHeadQuery(lock_secs=60, limit=25, client_key="two"))
        assert [one.id for one in locked.items] == expected
        view = await copier.shelf.queues.get(OWNER, queue)
        assert (view.total_request_count, view.had_multiple_clients) == (6, True), "looking, and two"
        await copier.requests.add(OWNER, queue, request(9), forefront=False, client_key="two")
        assert await copier.head(queue) == [request_id(url(9))]
