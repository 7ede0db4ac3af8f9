"""The SQL of segments: which datasets are due, who merges them, what replaces what, and what segments say of items.

Rows of chunks are never changed, only replaced by whoever holds the claim on their dataset's merge. Works that change
a dataset's row and its merge touch them in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actorium.database import Row, Tx
from actorium.datasets.store import BEGIN, HEAD, Chunk, Level, Merged, chunk_of, insert
from actorium.kernel.errors import StaleWrite
from actorium.kernel.instant import Instant
from actorium.kernel.limits import DIGESTS_PER_READ, MERGED_CHUNKS_MAX, SEGMENT_BYTES, SEGMENT_CHUNKS
from actorium.kernel.structs import decode
from actorium.storages.model import Profile
from actorium.storages.store import discard_blob


@dataclass(frozen=True, slots=True)
class Summary:
    """What a chunk says of its items [first, end), if it says it."""

    first: int
    end: int
    text: str | None


@dataclass(frozen=True, slots=True)
class Tail:
    """What of a dataset is not in finished segments, the first chunks of it, and the schema of its items."""

    chunks: list[Chunk]
    profile: Profile


def column_names(tx: Tx, dataset_id: str, *, start: int, end: int) -> list[Summary]:
    """What chunks say of their columns: the one at ``start`` and the next ones."""
    return _summaries(tx, dataset_id, "column_names", start=start, end=end)


def field_statistics(tx: Tx, dataset_id: str, *, start: int, end: int) -> list[Summary]:
    """What chunks say of the statistics of their fields: the one at ``start`` and the next ones."""
    return _summaries(tx, dataset_id, "field_statistics", start=start, end=end)


def _summaries(tx: Tx, dataset_id: str, column: str, *, start: int, end: int) -> list[Summary]:
    rows = tx.all(
        f"SELECT first_index, item_count, {column} AS text FROM dataset_chunks WHERE dataset_id = :id"
        f" AND first_index >= {BEGIN} AND first_index < :end ORDER BY first_index LIMIT :limit",
        id=dataset_id,
        start=start,
        end=end,
        limit=DIGESTS_PER_READ,
    )
    return [Summary(row["first_index"], row["first_index"] + row["item_count"], row["text"]) for row in rows]


def due(tx: Tx, *, after: str, limit: int) -> list[str]:
    """Datasets whose tail is to be merged, in the order of their ids."""
    rows = tx.all(
        "SELECT dataset_id FROM dataset_merges WHERE dataset_id > :after ORDER BY dataset_id LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [row["dataset_id"] for row in rows]


def claim(tx: Tx, dataset_id: str, key: str, *, own: str, now: Instant, lease_began: Instant) -> Tail | None:
    """Claim the merge of a dataset, and its tail; None if another server is at it or the dataset is gone.

    A claim of our own, or one older than a lease, is over; the blob it may have left is discarded.
    """
    old = tx.one("SELECT claim, claimed_at FROM dataset_merges WHERE dataset_id = :id", id=dataset_id)
    if old is None or not (old["claim"] in ("", own) or old["claimed_at"] <= int(lease_began)):
        return None
    claimed = tx.run(
        "UPDATE dataset_merges SET claim = :key, claimed_at = :now WHERE dataset_id = :id AND claim = :old",
        id=dataset_id,
        key=key,
        now=int(now),
        old=old["claim"],
    )
    if claimed == 0:
        return None
    if old["claim"]:
        discard_blob(tx, old["claim"], now)
    row = tx.one("SELECT tail_first, document FROM datasets WHERE id = :id", id=dataset_id)
    if row is None:
        tx.run("DELETE FROM dataset_merges WHERE dataset_id = :id", id=dataset_id)
        return None
    heads = tx.all(
        f"SELECT {HEAD} FROM dataset_chunks WHERE dataset_id = :id AND first_index >= :first"
        " ORDER BY first_index LIMIT :limit",
        id=dataset_id,
        first=row["tail_first"],
        limit=MERGED_CHUNKS_MAX,
    )
    return Tail([chunk_of(head) for head in heads], decode(row["document"], Profile))


def replace(tx: Tx, dataset_id: str, key: str, *, chunks: Sequence[Chunk], merged: Merged, now: Instant) -> bool:
    """Put one chunk in the place of others, or of itself with a digest. Whether the tail is still long.

    Raises StaleWrite if the claim was lost or the chunks are not there as they were.
    """
    still_long = _shorten(tx, dataset_id, chunks, merged)
    _pass_on(tx, dataset_id, key, still_long=still_long)
    if len(chunks) == 1 and chunks[0].blob_key is not None and chunks[0].blob_key == merged.part.blob_key:
        _raise_level(tx, dataset_id, chunks[0], merged)
    else:
        _exchange(tx, dataset_id, chunks, merged, now)
    return still_long


def _raise_level(tx: Tx, dataset_id: str, chunk: Chunk, merged: Merged) -> None:
    raised = tx.run(
        "UPDATE dataset_chunks SET level = :level, column_names = :column_names,"
        " field_statistics = :field_statistics, places = COALESCE(:places, places)"
        " WHERE dataset_id = :id AND first_index = :first AND blob_key = :blob_key",
        id=dataset_id,
        first=chunk.first,
        blob_key=chunk.blob_key,
        level=int(merged.level),
        column_names=merged.column_names,
        field_statistics=merged.field_statistics,
        places=merged.part.places,
    )
    if raised != 1:
        raise StaleWrite


def _exchange(tx: Tx, dataset_id: str, chunks: Sequence[Chunk], merged: Merged, now: Instant) -> None:
    removed = tx.run(
        "DELETE FROM dataset_chunks WHERE dataset_id = :id AND first_index BETWEEN :first AND :last",
        id=dataset_id,
        first=chunks[0].first,
        last=chunks[-1].first,
    )
    if removed != len(chunks):
        raise StaleWrite
    for chunk in chunks:
        if chunk.blob_key is not None:
            discard_blob(tx, chunk.blob_key, now)
    insert(tx, dataset_id, chunks[0].first, merged.part, merged)


def release(tx: Tx, dataset_id: str, key: str) -> None:
    """Give a claim back: there was nothing to merge."""
    row = tx.one(
        "UPDATE datasets SET tail_chunks = tail_chunks WHERE id = :id RETURNING tail_chunks, tail_bytes", id=dataset_id
    )  # a push that makes the tail long waits for us or we for it
    _pass_on(tx, dataset_id, key, still_long=row is not None and _is_long(row))


def _shorten(tx: Tx, dataset_id: str, chunks: Sequence[Chunk], merged: Merged) -> bool:
    """Take merged chunks out of the counts of the tail. Whether it is still long."""
    finished = merged.level is Level.FINISHED
    row = tx.one(
        "UPDATE datasets SET tail_chunks = tail_chunks - :pushed, tail_bytes = tail_bytes - :size,"
        " tail_first = tail_first + :items WHERE id = :id RETURNING tail_chunks, tail_bytes",
        id=dataset_id,
        pushed=sum(chunk.level == Level.PUSHED for chunk in chunks),
        size=sum(chunk.size for chunk in chunks) - (0 if finished else merged.part.size),
        items=merged.part.count if finished else 0,
    )
    if row is None:
        raise StaleWrite
    return _is_long(row)


def _is_long(row: Row) -> bool:
    return bool(row["tail_chunks"] >= SEGMENT_CHUNKS or row["tail_bytes"] >= SEGMENT_BYTES)


def _pass_on(tx: Tx, dataset_id: str, key: str, *, still_long: bool) -> None:
    """End a claim; the dataset stays due while its tail is long. Raises StaleWrite if the claim was lost."""
    ended = tx.run(
        "UPDATE dataset_merges SET claim = '', claimed_at = 0 WHERE dataset_id = :id AND claim = :key"
        if still_long
        else "DELETE FROM dataset_merges WHERE dataset_id = :id AND claim = :key",
        id=dataset_id,
        key=key,
    )
    if ended == 0:
        raise StaleWrite


def digest(tx: Tx, dataset_id: str, first: int) -> tuple[str | None, str | None]:
    """What a merged chunk says of the columns of its items and of the statistics of their fields."""
    row = tx.one(
        "SELECT column_names, field_statistics FROM dataset_chunks WHERE dataset_id = :id AND first_index = :first",
        id=dataset_id,
        first=first,
    )
    if row is None:
        raise StaleWrite
    return row["column_names"], row["field_statistics"]
