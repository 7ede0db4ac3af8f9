"""What datasets must do on every pairing while their chunks grow together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from actorium.datasets.chunks import Reader
from actorium.datasets.errors import NoFieldsSchema, NoSchema
from actorium.datasets.segments.merging import Merger
from actorium.kernel.errors import Unavailable
from actorium.kernel.ids import SeededIds
from actorium.kernel.limits import DATASET_INLINE_BYTES_MAX, MERGE_LEASE_SECS, SEGMENT_BYTES, SEGMENT_CHUNKS
from actorium.storages.garbage import GarbageCollector
from actorium.testing.conformance.stores import ALICE, Shelf, StoresConformance

Item = dict[str, Any]
SCHEMA = {
    "actorSpecification": 1,
    "fields": {"type": "object", "properties": {"n": {}, "text": {}, "odd": {}, "never": {}}},
    "views": {},
}


class SegmentsConformance(StoresConformance):
    """Pushing, reading, merging, counting and deleting at the same time."""

    @pytest.fixture
    async def dataset(self, shelf: Shelf) -> str:
        view, _ = await shelf.datasets.get_or_create(ALICE, None, schema=SCHEMA)
        return view.id

    async def test_items_stay_where_they_are(self, shelf: Shelf, dataset: str) -> None:
        items = await fill(shelf, dataset, pushes=2 * SEGMENT_CHUNKS + 20)
        await merger(shelf).tick()
        chunks = await shelf.rows("SELECT level, item_count FROM dataset_chunks ORDER BY first_index")
        assert len(chunks) < SEGMENT_CHUNKS
        assert sum(row["item_count"] for row in chunks) == len(items)
        assert await shelf.rows("SELECT * FROM dataset_merges") == []
        for start, end in ((0, len(items)), (0, 3), (300, 310), (len(items) - 5, len(items)), (100, 101)):
            for desc in (False, True):
                expected = items[start:end][::-1] if desc else items[start:end]
                assert await read(shelf, dataset, start, end, desc=desc) == expected

    async def test_a_long_tail_becomes_a_segment(self, shelf: Shelf, dataset: str) -> None:
        padding = "x" * 90_000
        items = [{"n": n, "text": padding} for n in range(SEGMENT_BYTES // 90_000 + 3)]
        for item in items:
            await shelf.datasets.push(ALICE, dataset, msgspec.json.encode(item))
        before = await shelf.blob_keys()
        await merger(shelf).tick()
        first, *rest = await shelf.rows("SELECT level, item_count, blob_key FROM dataset_chunks ORDER BY first_index")
        assert first["level"] == 2
        assert first["item_count"] > 40
        assert len(rest) < 5
        assert await shelf.blob_keys() == {*before, first["blob_key"]}
        assert await read(shelf, dataset, 0, len(items)) == items
        assert await read(shelf, dataset, 20, 23, desc=True) == items[20:23][::-1]

    async def test_large_pushes_are_finished_in_place(self, shelf: Shelf, dataset: str) -> None:
        items = [{"n": n, "text": "é" * (DATASET_INLINE_BYTES_MAX // 4)} for n in range(40)]
        for first in range(0, 40, 2):
            await shelf.datasets.push(ALICE, dataset, msgspec.json.encode(items[first : first + 2]))
        before = await shelf.blob_keys()
        await merger(shelf).tick()
        assert await shelf.blob_keys() == before
        assert len(before) == 20
        assert (await shelf.rows("SELECT level FROM dataset_chunks ORDER BY first_index"))[0]["level"] == 2
        assert await read(shelf, dataset, 0, 40) == items

    async def test_pushes_reads_and_merges_at_once(self, shelf: Shelf, dataset: str) -> None:
        done = asyncio.Event()

        async def push(by: int) -> None:
            for n in range(100):
                body = msgspec.json.encode([{"by": by, "n": n}] if n % 10 else [{"by": by, "n": n, "text": "x" * 9000}])
                await shelf.datasets.push(ALICE, dataset, body)

        async def merge(seed: int) -> None:
            own = merger(shelf, seed)
            while not done.is_set():
                await own.tick()
                await GarbageCollector(shelf.database, shelf.blobs).tick()
                await asyncio.wait({done_waiter}, timeout=0.001)

        async def look() -> None:
            while not done.is_set():
                count = (await shelf.datasets.get(ALICE, dataset)).item_count
                found = await read(shelf, dataset, 0, count)
                assert len(found) == count
                check_each_in_order(found)
                await asyncio.wait({done_waiter}, timeout=0.001)

        async def push_all() -> None:
            try:
                await asyncio.gather(*(push(by) for by in range(8)))
            finally:
                done.set()

        async with asyncio.TaskGroup() as group:
            done_waiter = group.create_task(done.wait())
            for seed in (1, 2):  # as two servers would
                group.create_task(merge(seed))
            group.create_task(look())
            group.create_task(push_all())
        await merger(shelf).tick()
        found = await read(shelf, dataset, 0, 800)
        check_each_in_order(found)
        assert len(found) == len({(item["by"], item["n"]) for item in found}) == 800
        chunks = await shelf.rows("SELECT level, item_count, blob_key FROM dataset_chunks")
        assert sum(row["item_count"] for row in chunks) == 800
        assert sum(row["level"] == 0 for row in chunks) < SEGMENT_CHUNKS
        await GarbageCollector(shelf.database, shelf.blobs).tick()
        assert await shelf.blob_keys() == {row["blob_key"] for row in chunks if row["blob_key"]}

    async def test_a_dataset_deleted_while_it_is_merged(self, shelf: Shelf, dataset: str) -> None:
        await fill(shelf, dataset, pushes=SEGMENT_CHUNKS + 20)

        async def delete() -> None:
            await shelf.datasets.delete(ALICE, dataset)
            await shelf.sweeper.tick()

        await asyncio.gather(merger(shelf).tick(), delete())
        await shelf.clock.advance(MERGE_LEASE_SECS + 1)
        await merger(shelf).tick()
        await shelf.sweeper.tick()
        await GarbageCollector(shelf.database, shelf.blobs).tick()
        assert await shelf.rows("SELECT * FROM dataset_chunks") == []
        assert await shelf.rows("SELECT * FROM dataset_merges") == []
        assert await shelf.blob_keys() == set()

    async def test_statistics_count_every_item(self, shelf: Shelf, dataset: str) -> None:
        empty = await shelf.datasets.statistics(ALICE, dataset)
        assert {one.empty_count for one in empty.field_statistics.values()} == {0}
        items = await fill(shelf, dataset, pushes=SEGMENT_CHUNKS + 20)
        before = await shelf.datasets.statistics(ALICE, dataset)
        await merger(shelf).tick()
        assert await shelf.datasets.statistics(ALICE, dataset) == before
        found = before.field_statistics
        assert [*found] == ["n", "text", "odd", "never"]
        numbers = found["n"]
        assert (numbers.min, numbers.max) == (0, len(items) - 1)
        assert (numbers.null_count, numbers.empty_count) == (0, 0)
        texts = found["text"]
        assert (texts.min, texts.max) == (0, 6)
        odd = found["odd"]
        assert (odd.min, odd.max, odd.null_count) == (1, 1, 0)
        assert odd.empty_count == (len(items) + 1) // 2
        never = found["never"]
        assert (never.min, never.max, never.null_count, never.empty_count) == (None, None, 0, len(items))

    async def test_statistics_need_a_schema_of_fields(self, shelf: Shelf) -> None:
        without, _ = await shelf.datasets.get_or_create(ALICE, None)
        with pytest.raises(NoSchema):
            await shelf.datasets.statistics(ALICE, without.id)
        views, _ = await shelf.datasets.get_or_create(ALICE, None, schema={"actorSpecification": 1, "views": {}})
        with pytest.raises(NoFieldsSchema):
            await shelf.datasets.statistics(ALICE, views.id)

    async def test_columns_come_from_segments(self, shelf: Shelf, dataset: str) -> None:
        items = await fill(shelf, dataset, pushes=2 * SEGMENT_CHUNKS)
        await merger(shelf).tick()
        rows = [{"odd": [True], "last/one": {"x": 1}}] * 3
        await shelf.datasets.push(ALICE, dataset, msgspec.json.encode(rows))
        reader = Reader(shelf.database, shelf.blobs)
        everything = [one async for one in reader.columns(dataset, start=0, end=len(items) + 3)]
        lists = [one for one in everything if isinstance(one, list)]
        scanned = [line for one in everything if isinstance(one, bytes) for line in one.split(b"\n")]
        assert lists == [[("n", "n"), ("text", "text"), ("odd", "odd")]]
        assert [msgspec.json.decode(line) for line in scanned][-3:] == rows
        assert len(scanned) < SEGMENT_CHUNKS
        part = [one async for one in reader.columns(dataset, start=5, end=50)]
        assert [item for block in part if isinstance(block, bytes) for item in decoded(block)] == items[5:50]
        await shelf.datasets.delete(ALICE, dataset)
        await shelf.sweeper.tick()
        with pytest.raises(Unavailable):
            [one async for one in reader.columns(dataset, start=0, end=5)]


def merger(shelf: Shelf, seed: int = 0) -> Merger:
    """As one more server would have it."""
    return Merger(shelf.database, shelf.blobs, ids=SeededIds(77 + seed), clock=shelf.clock)


async def fill(shelf: Shelf, dataset_id: str, *, pushes: int) -> list[Item]:
    """Push items one by one, in order; what they are."""
    items: list[Item] = [{"n": n, "text": "x" * (n % 7)} | ({"odd": True} if n % 2 else {}) for n in range(pushes)]
    waiting = [shelf.datasets.push(ALICE, dataset_id, msgspec.json.encode(item)) for item in items]
    for first in range(0, pushes, 50):
        await asyncio.gather(*waiting[first : first + 50])
    found = await read(shelf, dataset_id, 0, pushes)
    assert sorted(found, key=lambda item: item["n"]) == items
    return found


async def read(shelf: Shelf, dataset_id: str, start: int, end: int, *, desc: bool = False) -> list[Item]:
    """Items [start, end), by the reader alone."""
    blocks = Reader(shelf.database, shelf.blobs).blocks(dataset_id, start=start, end=end, desc=desc)
    return [item async for block in blocks for item in decoded(block)]


def decoded(block: bytes) -> list[Item]:
    return [msgspec.json.decode(line) for line in block.split(b"\n")]


def check_each_in_order(items: Sequence[Item]) -> None:
    """The items of each client are all there up to the last one, in the order in which they were pushed."""
    seen: dict[int, int] = {}
    for item in items:
        assert item["n"] == seen.get(item["by"], -1) + 1
        seen[item["by"]] = item["n"]
