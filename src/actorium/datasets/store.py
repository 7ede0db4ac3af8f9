"""The SQL about the items of datasets: how chunks are added, found and cleared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.limits import CHUNKS_PER_READ, DATASET_BLOCK_BYTES, SEGMENT_BYTES, SEGMENT_CHUNKS
from actorium.storages.extent import Extent, counted
from actorium.storages.store import discard_blob

MERGES = "datasets.merges"
"""Woken with a dataset's id when its tail is long enough to be merged."""

HEAD = "first_index, item_count, byte_count, level, blob_key"
"""The small columns of a chunk."""
BEGIN = "COALESCE((SELECT MAX(first_index) FROM dataset_chunks WHERE dataset_id = :id AND first_index <= :start), 0)"
"""Where the chunk begins that holds the item ``start``."""
_INSERT = f"""
INSERT INTO dataset_chunks (dataset_id, {HEAD}, column_names, field_statistics, places, payload)
VALUES (:dataset_id, :first, :count, :size, :level, :blob_key, :column_names, :field_statistics, :places, :payload)
"""


class Level(IntEnum):
    """How far a chunk has come."""

    PUSHED = 0
    MERGED = 1
    """With other pushed ones, but still too small."""
    FINISHED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Items to be stored: inline, or in a blob that is there already."""

    count: int
    size: int
    payload: bytes | None = None
    blob_key: str | None = None
    places: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What chunks became: one chunk, and its digest."""

    part: Part
    level: Level
    column_names: str | None
    field_statistics: str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Items [first, first + count) of a dataset; the payload is inline or in a blob."""

    first: int
    count: int
    size: int
    level: int
    blob_key: str | None
    places: bytes | None = None
    payload: bytes | None = None

    @property
    def end(self) -> int:
        return self.first + self.count


# Adding


@dataclass(frozen=True, slots=True)
class Appended:
    """Items are stored."""

    charged_run_id: str | None
    """The run that is charged for each of them."""


_UNCHARGED = Appended(None)


def charge_to(tx: Tx, dataset_id: str, run_id: str) -> None:
    """From now on a run is charged for each item."""
    tx.run("UPDATE datasets SET charged_run_id = :run_id WHERE id = :id", id=dataset_id, run_id=run_id)


def append(
    tx: Tx, dataset_id: str, parts: Sequence[Part], *, owner_id: str, clean_count: int, now: Instant
) -> Appended | None:
    """Take the next indexes and store items under them; None if the owner has no such dataset."""
    count, size = sum(part.count for part in parts), sum(part.size for part in parts)
    row = tx.one(
        "UPDATE datasets SET item_count = item_count + :count, clean_item_count = clean_item_count + :clean,"
        " byte_count = byte_count + :size, write_count = write_count + :count, modified_at = :now,"
        " tail_chunks = tail_chunks + :parts, tail_bytes = tail_bytes + :size"
        " WHERE id = :id AND owner_id = :owner_id RETURNING item_count, tail_chunks, tail_bytes,"
        " charged_run_id",
        id=dataset_id,
        owner_id=owner_id,
        count=count,
        clean=clean_count,
        size=size,
        parts=len(parts),
        now=int(now),
    )
    if row is None:
        return None
    first = row["item_count"] - count
    for part in parts:
        insert(tx, dataset_id, first, part)
        first += part.count
    if _passes(row["tail_chunks"], len(parts), SEGMENT_CHUNKS) or _passes(row["tail_bytes"], size, SEGMENT_BYTES):
        _merge_soon(tx, dataset_id)
    return _UNCHARGED if row["charged_run_id"] is None else Appended(row["charged_run_id"])


def _merge_soon(tx: Tx, dataset_id: str) -> None:
    tx.run("INSERT INTO dataset_merges (dataset_id) VALUES (:id) ON CONFLICT DO NOTHING", id=dataset_id)
    tx.wake(MERGES, dataset_id)


def _passes(now: int, added: int, step: int) -> bool:
    """Whether a sum has just passed a multiple of a step: a merge that was missed once is not missed for long."""
    return now // step > (now - added) // step


def insert(tx: Tx, dataset_id: str, first: int, part: Part, merged: Merged | None = None) -> None:
    """Add one chunk."""
    tx.run(
        _INSERT,
        dataset_id=dataset_id,
        first=first,
        count=part.count,
        size=part.size,
        level=int(merged.level if merged else Level.PUSHED),
        blob_key=part.blob_key,
        column_names=merged.column_names if merged else None,
        field_statistics=merged.field_statistics if merged else None,
        places=part.places,
        payload=part.payload,
    )


# Reading


def read_forward(tx: Tx, dataset_id: str, *, start: int, end: int) -> list[Chunk]:
    """The first chunks that hold items of [start, end), in order: one in a blob, or inline ones up to a block."""
    chunks = _at(tx, dataset_id, start)
    if not chunks or chunks[0].blob_key is not None or chunks[0].end >= end:
        return chunks
    heads = tx.all(
        f"SELECT {HEAD} FROM dataset_chunks WHERE dataset_id = :id AND first_index >= :first AND first_index < :end"
        " ORDER BY first_index LIMIT :limit",
        id=dataset_id,
        first=chunks[0].end,
        end=end,
        limit=CHUNKS_PER_READ,
    )
    return chunks + _with_payloads(tx, dataset_id, [chunk_of(row) for row in heads], room=_room(chunks[0]))


def read_backward(tx: Tx, dataset_id: str, *, start: int, end: int) -> list[Chunk]:
    """The last chunks that hold items of [start, end), last one first: one in a blob, or inline ones up to a block."""
    chunks = _at(tx, dataset_id, end - 1)
    if not chunks or chunks[0].blob_key is not None or chunks[0].first <= start:
        return chunks
    heads = tx.all(
        f"SELECT {HEAD} FROM dataset_chunks WHERE dataset_id = :id AND first_index < :first"
        f" AND first_index >= {BEGIN} ORDER BY first_index DESC LIMIT :limit",
        id=dataset_id,
        first=chunks[0].first,
        start=start,
        limit=CHUNKS_PER_READ,
    )
    return chunks + _with_payloads(tx, dataset_id, [chunk_of(row) for row in heads], room=_room(chunks[0]))


def _at(tx: Tx, dataset_id: str, index: int) -> list[Chunk]:
    """The chunk that holds an item, with its payload if that is inline; none if it is gone."""
    row = tx.one(
        f"SELECT {HEAD}, places, payload FROM dataset_chunks WHERE dataset_id = :id AND first_index <= :at"
        " ORDER BY first_index DESC LIMIT 1",
        id=dataset_id,
        at=index,
    )
    if row is None or row["first_index"] + row["item_count"] <= index:
        return []
    return [chunk_of(row, places=row["places"], payload=row["payload"])]


def _room(chunk: Chunk) -> int:
    return DATASET_BLOCK_BYTES - chunk.size


def _with_payloads(tx: Tx, dataset_id: str, heads: Sequence[Chunk], *, room: int) -> list[Chunk]:
    """As many of the heads as are inline and have room, with their payloads."""
    chosen: list[Chunk] = []
    for head in heads:
        room -= head.size
        if head.blob_key is not None or room < 0:
            break
        chosen.append(head)
    if not chosen:
        return []
    rows = tx.all(
        "SELECT first_index, payload FROM dataset_chunks"
        " WHERE dataset_id = :id AND first_index BETWEEN :lowest AND :highest",
        id=dataset_id,
        lowest=min(chosen[0].first, chosen[-1].first),
        highest=max(chosen[0].first, chosen[-1].first),
    )
    payloads = {row["first_index"]: row["payload"] for row in rows}
    return [_inline(head, payloads[head.first]) for head in chosen]


def _inline(head: Chunk, payload: bytes) -> Chunk:
    return Chunk(head.first, head.count, head.size, head.level, None, None, bytes(payload))


def chunk_of(row: Row, *, places: bytes | None = None, payload: bytes | None = None) -> Chunk:
    """A chunk from a row with the columns of ``HEAD``."""
    return Chunk(
        row["first_index"],
        row["item_count"],
        row["byte_count"],
        row["level"],
        row["blob_key"],
        None if places is None else bytes(places),
        None if payload is None else bytes(payload),
    )


# Copying

COUNTED = ("item_count", "clean_item_count", "tail_first", "tail_chunks", "tail_bytes")
"""What a copy of a dataset takes over of its row."""
_COPIED = f"{HEAD}, column_names, field_statistics, places, payload"


def extent(tx: Tx, dataset_id: str, *, limit: int) -> Extent:
    """How much a copy takes: up to ``limit`` rows are counted."""
    return counted(tx, "dataset_chunks", "dataset_id", dataset_id, limit=limit)


def copy(tx: Tx, source_id: str, dataset_id: str) -> None:
    """Give an empty dataset, whose row is a copy already, the chunks of another one that this transaction holds."""
    tx.run(
        f"INSERT INTO dataset_chunks (dataset_id, {_COPIED})"
        f" SELECT :id, {_COPIED} FROM dataset_chunks WHERE dataset_id = :source_id",
        id=dataset_id,
        source_id=source_id,
    )
    row = tx.one("SELECT tail_chunks, tail_bytes FROM datasets WHERE id = :id", id=dataset_id)
    if row is not None and (row["tail_chunks"] >= SEGMENT_CHUNKS or row["tail_bytes"] >= SEGMENT_BYTES):
        _merge_soon(tx, dataset_id)


# Deleting


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
