"""The only SQL about the items of datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actorium.database import Row, Tx
from actorium.datasets.slices import Slices
from actorium.kernel.instant import Instant
from actorium.kernel.limits import CHUNKS_PER_READ, DATASET_BLOCK_BYTES
from actorium.storages.store import discard_blob


@dataclass(frozen=True, slots=True)
class Chunk:
    """Items [first, first + count) of a dataset; the payload is inline or in a blob."""

    first: int
    count: int
    size: int
    blob_key: str | None
    payload: bytes | None = None

    @property
    def end(self) -> int:
        return self.first + self.count


def append(tx: Tx, dataset_id: str, items: Slices, *, blob_key: str | None, now: Instant) -> bool:
    """Take the next indexes and store items under them; False if the dataset is gone."""
    row = tx.one(
        "UPDATE datasets SET item_count = item_count + :count, clean_item_count = clean_item_count + :clean,"
        " byte_count = byte_count + :size, write_count = write_count + :count, modified_at = :now"
        " WHERE id = :id RETURNING item_count",
        id=dataset_id,
        count=items.count,
        clean=items.clean_count,
        size=len(items.payload),
        now=int(now),
    )
    if row is None:
        return False
    tx.run(
        "INSERT INTO dataset_chunks (dataset_id, first_index, item_count, byte_count, blob_key, payload)"
        " VALUES (:id, :first, :count, :size, :blob_key, :payload)",
        id=dataset_id,
        first=row["item_count"] - items.count,
        count=items.count,
        size=len(items.payload),
        blob_key=blob_key,
        payload=None if blob_key else items.payload,
    )
    return True


def read_forward(tx: Tx, dataset_id: str, *, start: int, end: int) -> list[Chunk]:
    """The first chunks, up to a block of bytes, that hold items of [start, end), in order."""
    heads = tx.all(
        "SELECT first_index, item_count, byte_count, blob_key FROM dataset_chunks WHERE dataset_id = :id"
        " AND first_index >= COALESCE((SELECT MAX(first_index) FROM dataset_chunks"
        " WHERE dataset_id = :id AND first_index <= :start), 0)"
        " AND first_index < :end ORDER BY first_index LIMIT :limit",
        id=dataset_id,
        start=start,
        end=end,
        limit=CHUNKS_PER_READ,
    )
    return _with_payloads(tx, dataset_id, [_chunk(row) for row in heads])


def read_backward(tx: Tx, dataset_id: str, *, start: int, end: int) -> list[Chunk]:
    """The last chunks, up to a block of bytes, that hold items of [start, end), last one first."""
    heads = tx.all(
        "SELECT first_index, item_count, byte_count, blob_key FROM dataset_chunks WHERE dataset_id = :id"
        " AND first_index >= COALESCE((SELECT MAX(first_index) FROM dataset_chunks"
        " WHERE dataset_id = :id AND first_index <= :start), 0)"
        " AND first_index < :end ORDER BY first_index DESC LIMIT :limit",
        id=dataset_id,
        start=start,
        end=end,
        limit=CHUNKS_PER_READ,
    )
    return _with_payloads(tx, dataset_id, [_chunk(row) for row in heads])


def clear(tx: Tx, dataset_id: str, limit: int, now: Instant) -> bool:
    """Remove up to ``limit`` chunks of a deleted dataset; True when none is left."""
    rows = tx.all(
        "SELECT first_index, blob_key FROM dataset_chunks WHERE dataset_id = :id ORDER BY first_index LIMIT :limit",
        id=dataset_id,
        limit=limit,
    )
    for row in rows:
        if row["blob_key"] is not None:
            discard_blob(tx, row["blob_key"], now)
    if rows:
        tx.run(
            "DELETE FROM dataset_chunks WHERE dataset_id = :id AND first_index <= :last",
            id=dataset_id,
            last=rows[-1]["first_index"],
        )
    return len(rows) < limit


def _with_payloads(tx: Tx, dataset_id: str, heads: Sequence[Chunk]) -> list[Chunk]:
    """As many of the heads as make a block, with what is inline. A blob is a block of its own."""
    if heads and heads[0].blob_key is not None:
        return [heads[0]]
    chosen: list[Chunk] = []
    size = 0
    for head in heads:
        if head.blob_key is not None or (chosen and size + head.size > DATASET_BLOCK_BYTES):
            break
        chosen.append(head)
        size += head.size
    if not chosen:
        return []
    rows = tx.all(
        "SELECT first_index, payload FROM dataset_chunks"
        " WHERE dataset_id = :id AND first_index BETWEEN :lowest AND :highest",
        id=dataset_id,
        lowest=min(chosen[0].first, chosen[-1].first),
        highest=max(chosen[0].first, chosen[-1].first),
    )
    payloads = {row["first_index"]: bytes(row["payload"]) for row in rows}
    return [Chunk(head.first, head.count, head.size, None, payloads[head.first]) for head in chosen]


def _chunk(row: Row) -> Chunk:
    return Chunk(row["first_index"], row["item_count"], row["byte_count"], row["blob_key"])
