"""Datasets of the first release keep their items, and what is due for merging is known at once."""

from __future__ import annotations

import msgspec

from actorium.blobs.memory import MemoryBlobs
from actorium.database import Tx
from actorium.database.inline import Inline
from actorium.database.migrate import migrate, packaged
from actorium.datasets.chunks import Reader
from actorium.datasets.segments.merging import Merger
from actorium.kernel.ids import SeededIds
from actorium.kernel.instant import Instant
from actorium.testing.clock import ManualClock
from dataset_world import drive

PROFILE = '{"signingSecret":"x"}'


def test_chunks_of_the_first_release() -> None:
    database = drive(Inline.open())
    blobs = MemoryBlobs()
    drive(migrate(database, Instant(1), migrations=[one for one in packaged() if one.number <= 10]))
    drive(blobs.put("large", b'{"n":0}\n{"n":1}\n{"n":2}'))

    def fill(tx: Tx) -> None:
        for dataset_id, chunks in (("long", 298), ("short", 1)):
            tx.run(
                "INSERT INTO datasets (id, owner_id, created_at, modified_at, accessed_at, document, item_count,"
                " byte_count) VALUES (:id, 'alice', 1, 1, 1, :document, :items, :size)",
                id=dataset_id,
                document=PROFILE,
                items=3 + chunks,
                size=23 + 9 * chunks,
            )
            tx.run(
                "INSERT INTO dataset_chunks (dataset_id, first_index, item_count, byte_count, blob_key)"
                " VALUES (:id, 0, 3, 23, 'large')",
                id=dataset_id,
            )
            tx.many(
                "INSERT INTO dataset_chunks (dataset_id, first_index, item_count, byte_count, payload)"
                " VALUES (:id, :first, 1, 9, :payload)",
                [{"id": dataset_id, "first": 3 + n, "payload": b'{"n":%3d}' % (3 + n)} for n in range(chunks)],
            )

    drive(database.write(fill))
    drive(migrate(database, Instant(2)))
    reader = Reader(database, blobs)

    async def read(dataset_id: str, end: int) -> list[int]:
        blocks = reader.blocks(dataset_id, start=0, end=end, desc=False)
        return [msgspec.json.decode(line)["n"] async for block in blocks for line in block.split(b"\n")]

    def due(tx: Tx) -> list[str]:
        return [row["dataset_id"] for row in tx.all("SELECT dataset_id FROM dataset_merges")]

    def tails(tx: Tx) -> list[tuple[int, int, int]]:
        rows = tx.all("SELECT tail_first, tail_chunks, tail_bytes FROM datasets ORDER BY id")
        return [(row["tail_first"], row["tail_chunks"], row["tail_bytes"]) for row in rows]

    assert drive(database.read(due)) == ["long"]
    assert drive(database.read(tails)) == [(0, 299, 23 + 9 * 298), (0, 2, 32)]
    assert drive(read("long", 301)) == [*range(301)]
    assert drive(read("short", 4)) == [*range(4)]
    drive(Merger(database, blobs, ids=SeededIds(), clock=ManualClock()).tick())
    assert drive(database.read(due)) == []
    assert drive(database.read(tails))[0][:2] == (0, 0)
    assert drive(read("long", 301)) == [*range(301)]
