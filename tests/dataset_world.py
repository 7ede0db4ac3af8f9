"""Datasets with tiny limits on a database in memory, driven step by step: what takes megabytes happens in bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

import msgspec

from actorium.blobs.memory import MemoryBlobs
from actorium.database import Row, Tx
from actorium.database.inline import Inline
from actorium.database.migrate import migrate
from actorium.datasets.chunks import Reader
from actorium.datasets.segments.merging import Merger
from actorium.datasets.store import clear
from actorium.kernel.ids import SeededIds
from actorium.kernel.instant import Instant
from actorium.testing.conformance.stores import ALICE, Shelf

T = TypeVar("T")
Item = dict[str, Any]

_PLACES = {
    "DATASET_INLINE_BYTES_MAX": ("pushing", "segments.plan"),
    "DATASET_ROW_BYTES": ("pushing", "segments.merging"),
    "PLACE_BYTES": ("places",),
    "SEGMENT_BYTES": ("store", "segments.store", "segments.plan"),
    "SEGMENT_CHUNKS": ("store", "segments.store", "segments.plan"),
    "MERGED_CHUNKS_MAX": ("segments.store",),
    "DATASET_BLOCK_BYTES": ("store", "chunks"),
    "CHUNKS_PER_READ": ("store",),
    "DIGESTS_PER_READ": ("segments.store",),
    "DIGEST_ITEMS_PER_TURN": ("segments.digest",),
}
SMALL = {
    "DATASET_INLINE_BYTES_MAX": 200,
    "DATASET_ROW_BYTES": 100,
    "PLACE_BYTES": 150,
    "SEGMENT_BYTES": 1000,
    "SEGMENT_CHUNKS": 4,
    "MERGED_CHUNKS_MAX": 9,
    "DATASET_BLOCK_BYTES": 60,
    "CHUNKS_PER_READ": 3,
    "DIGESTS_PER_READ": 3,
    "DIGEST_ITEMS_PER_TURN": 2,
}


@contextmanager
def limits(**changed: int) -> Iterator[None]:
    """With these limits of datasets in place of the real ones."""
    with ExitStack() as stack:
        for name, value in changed.items():
            for module in _PLACES[name]:
                stack.enter_context(patch(f"actorium.datasets.{module}.{name}", value))
        yield


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. Nothing here waits for anything but its turn."""
    try:
        while True:
            work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result


class TurningBlobs(MemoryBlobs):
    """Others may have their turn, and delete it, before a blob is written or read."""

    async def put(self, key: str, content: bytes | AsyncIterator[bytes], /) -> int:
        await _Turn()
        return await super().put(key, content)

    async def get(self, key: str, /, *, start: int = 0, end: int | None = None) -> bytes:
        await _Turn()
        return await super().get(key, start=start, end=end)


class _Turn:
    def __await__(self) -> Generator[None, None, None]:
        yield


class DatasetWorld:
    """One dataset of Alice's, its expected items, and who merges it."""

    def __init__(self, *, schema: dict[str, Any] | None = None) -> None:
        self.database = drive(Inline.open())
        drive(migrate(self.database, Instant(1)))
        self.blobs = TurningBlobs()
        self.shelf = Shelf(self.database, self.blobs)
        self.clock = self.shelf.clock
        self.reader = Reader(self.database, self.blobs)
        self.id = drive(self.shelf.datasets.get_or_create(ALICE, None, schema=schema))[0].id
        self.items: list[Item] = []
        self._mergers = 0

    def merger(self) -> Merger:
        """As another server would have it."""
        self._mergers += 1
        return Merger(self.database, self.blobs, ids=SeededIds(1000 + self._mergers), clock=self.clock)

    def push(self, items: Sequence[Item]) -> None:
        drive(self.shelf.datasets.push(ALICE, self.id, msgspec.json.encode(items)))
        self.items += items

    def read(self, start: int = 0, end: int | None = None, *, desc: bool = False) -> list[Item]:
        """Items [start, end) as the reader gives them."""
        return drive(self.reading(start, len(self.items) if end is None else end, desc=desc))

    async def reading(self, start: int, end: int, *, desc: bool = False) -> list[Item]:
        blocks = self.reader.blocks(self.id, start=start, end=end, desc=desc)
        return [msgspec.json.decode(line) async for block in blocks for line in block.split(b"\n")]

    def collect_garbage(self) -> None:
        """Delete the blobs that are to be deleted, as the loop does."""
        for row in self.rows("SELECT key FROM blob_garbage"):
            drive(self.blobs.delete(row["key"]))

        def forget(tx: Tx) -> None:
            tx.run("DELETE FROM blob_garbage")

        drive(self.database.write(forget))

    def sweep(self) -> None:
        """Remove what a deleted dataset left behind."""

        def work(tx: Tx) -> bool:
            return clear(tx, self.id, 2, self.clock.now())

        while not drive(self.database.write(work)):
            pass

    def rows(self, sql: str) -> list[Row]:
        """The rows of a query without parameters."""

        def work(tx: Tx) -> list[Row]:
            return tx.all(sql)

        return drive(self.database.read(work))

    def chunks(self) -> list[Row]:
        """The rows of chunks, in order."""
        return self.rows("SELECT * FROM dataset_chunks ORDER BY first_index")

    def check_rows(self) -> None:
        """Every item is in one chunk, every blob that a chunk names is there, the counts of the tail are true."""
        chunks = self.chunks()
        named = {row["blob_key"] for row in chunks if row["blob_key"] is not None}
        stored = set(self.blobs._blobs)
        assert named <= stored
        ends = [row["first_index"] + row["item_count"] for row in chunks]
        assert [row["first_index"] for row in chunks] == [0, *ends[:-1]][: len(chunks)]
        assert (ends[-1] if ends else 0) == len(self.items)
        [dataset] = self.rows("SELECT * FROM datasets")
        tail = [row for row in chunks if row["level"] < 2]
        assert dataset["tail_first"] == (tail[0]["first_index"] if tail else len(self.items))
        assert dataset["tail_chunks"] == sum(row["level"] == 0 for row in tail)
        assert dataset["tail_bytes"] == sum(row["byte_count"] for row in tail)

    def check_blobs(self) -> None:
        """There is no blob that nobody knows of."""
        known = {row["blob_key"] for row in self.chunks()} | {
            row["key"] for row in self.rows("SELECT key FROM blob_garbage")
        }
        assert set(self.blobs._blobs) <= known
