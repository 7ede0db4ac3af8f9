"""The only SQL about the records of key-value stores."""

from __future__ import annotations

from dataclasses import dataclass

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.limits import ZIP_READ_BYTES, ZIP_READ_RECORDS
from actorium.key_value_stores.record import Record
from actorium.storages.extent import Extent, counted
from actorium.storages.store import discard_blob

WRITES = "key_value_stores.writes"
"""Woken with a store's id when a record was written that somebody waits for."""
_LAST_CHARACTER = "\N{DELETE}"  # behind everything a key may hold
_HEAD = (
    "content_type, content_encoding, key_value_records.byte_count AS size, version,"
    " key_value_records.modified_at AS written_at, blob_key"
)
_COPIED = "key, byte_count, content_type, content_encoding, version, modified_at, blob_key, payload"
_RANGE = "store_id = :store_id AND key > :after AND key >= :prefix AND key < :beyond ORDER BY key LIMIT :limit"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of a store's records in the order of their keys, those in rows with their bytes."""

    records: list[tuple[str, Record]]
    is_last: bool


def find(tx: Tx, store_id: str, key: str) -> Record | None:
    row = tx.one(
        f"SELECT {_HEAD}, payload FROM key_value_records WHERE store_id = :store_id AND key = :key",
        store_id=store_id,
        key=key,
    )
    return None if row is None else _record(row, row["payload"])


def find_owned(tx: Tx, store_id: str, key: str, *, owner_id: str) -> Record | None:
    """A record of a user's own store, in one step; None says nothing about why."""
    row = tx.one(
        f"SELECT {_HEAD}, payload FROM key_value_records JOIN key_value_stores ON key_value_stores.id = store_id"
        " WHERE store_id = :store_id AND key = :key AND owner_id = :owner_id",
        store_id=store_id,
        key=key,
        owner_id=owner_id,
    )
    return None if row is None else _record(row, row["payload"])


def put(tx: Tx, store_id: str, key: str, record: Record, *, owner_id: str | None = None) -> bool:
    """Write over what is there; False if the store is gone or another's than ``owner_id``'s."""
    locked = tx.one(
        "UPDATE key_value_stores SET modified_at = :now, write_count = write_count + 1"
        " WHERE id = :id AND owner_id = COALESCE(:owner_id, owner_id) RETURNING awaited_until",
        id=store_id,
        owner_id=owner_id,
        now=int(record.modified_at),
    )
    if locked is None:
        return False
    if locked["awaited_until"] >= int(record.modified_at):
        tx.wake(WRITES, store_id)
    old_size = _discard(tx, store_id, key, record.modified_at)
    tx.run(
        "INSERT INTO key_value_records"
        " (store_id, key, byte_count, content_type, content_encoding, version, modified_at, blob_key, payload)"
        " VALUES (:store_id, :key, :size, :content_type, :content_encoding, :version, :now, :blob_key, :payload)"
        " ON CONFLICT (store_id, key) DO UPDATE SET byte_count = excluded.byte_count,"
        " content_type = excluded.content_type, content_encoding = excluded.content_encoding,"
        " version = excluded.version, modified_at = excluded.modified_at, blob_key = excluded.blob_key,"
        " payload = excluded.payload",
        store_id=store_id,
        key=key,
        size=record.size,
        content_type=record.content_type,
        content_encoding=record.content_encoding,
        version=record.version,
        now=int(record.modified_at),
        blob_key=record.blob_key,
        payload=record.payload,
    )
    grown = record.size - (old_size or 0)
    if grown:
        tx.run("UPDATE key_value_stores SET byte_count = byte_count + :grown WHERE id = :id", id=store_id, grown=grown)
    return True


def await_writes(tx: Tx, store_id: str, until: Instant) -> None:
    """From now on until a moment, who writes a record wakes those who wait for it."""
    tx.run(
        "UPDATE key_value_stores SET awaited_until = :until WHERE id = :id AND awaited_until < :until",
        id=store_id,
        until=int(until),
    )


def delete(tx: Tx, store_id: str, key: str, now: Instant) -> None:
    """Take a record away; absent is success."""
    locked = tx.run("UPDATE key_value_stores SET modified_at = :now WHERE id = :id", id=store_id, now=int(now))
    if locked == 0:
        return
    size = _discard(tx, store_id, key, now)
    if size is None:
        return
    tx.run("DELETE FROM key_value_records WHERE store_id = :store_id AND key = :key", store_id=store_id, key=key)
    tx.run(
        "UPDATE key_value_stores SET byte_count = byte_count - :size, delete_count = delete_count + 1 WHERE id = :id",
        id=store_id,
        size=size,
    )


def keys(tx: Tx, store_id: str, *, after: str, prefix: str, limit: int) -> list[tuple[str, int]]:
    """Keys and sizes behind ``after`` that begin with the prefix, in the order of their bytes."""
    rows = tx.all(
        f"SELECT key, byte_count FROM key_value_records WHERE {_RANGE}",
        store_id=store_id,
        after=after,
        prefix=prefix,
        beyond=prefix + _LAST_CHARACTER,
        limit=limit,
    )
    return [(row["key"], row["byte_count"]) for row in rows]


def batch(tx: Tx, store_id: str, *, after: str, prefix: str) -> Batch:
    """The next records behind ``after`` that begin with the prefix: as many as are little to hold, one at least."""
    heads = tx.all(
        f"SELECT key, {_HEAD} FROM key_value_records WHERE {_RANGE}",
        store_id=store_id,
        after=after,
        prefix=prefix,
        beyond=prefix + _LAST_CHARACTER,
        limit=ZIP_READ_RECORDS,
    )
    chosen: list[Row] = []
    held = 0
    for head in heads:
        held += 0 if head["blob_key"] else head["size"]
        if chosen and held > ZIP_READ_BYTES:
            break
        chosen.append(head)
    if not chosen:
        return Batch([], is_last=True)
    rows = tx.all(
        "SELECT key, payload FROM key_value_records WHERE store_id = :store_id AND key BETWEEN :first AND :last",
        store_id=store_id,
        first=chosen[0]["key"],
        last=chosen[-1]["key"],
    )
    payloads = {row["key"]: row["payload"] for row in rows}
    records = [(head["key"], _record(head, payloads.get(head["key"]))) for head in chosen]
    return Batch(records, is_last=len(chosen) == len(heads) < ZIP_READ_RECORDS)


def extent(tx: Tx, store_id: str, *, limit: int) -> Extent:
    """How much a copy of a store takes: up to ``limit`` rows are counted."""
    return counted(tx, "key_value_records", "store_id", store_id, limit=limit)


def copy(tx: Tx, source_id: str, store_id: str) -> None:
    """Give an empty store the records of another one that this transaction holds."""
    tx.run(
        f"INSERT INTO key_value_records (store_id, {_COPIED})"
        f" SELECT :id, {_COPIED} FROM key_value_records WHERE store_id = :source_id",
        id=store_id,
        source_id=source_id,
    )


def clear(tx: Tx, store_id: str, limit: int, now: Instant) -> bool:
    """Remove up to ``limit`` records of a deleted store; True when none is left."""
    rows = tx.all(
        "SELECT key, blob_key FROM key_value_records WHERE store_id = :store_id ORDER BY key LIMIT :limit",
        store_id=store_id,
        limit=limit,
    )
    for row in rows:
        if row["blob_key"] is not None:
            discard_blob(tx, row["blob_key"], now)
    if rows:
        tx.run(
            "DELETE FROM key_value_records WHERE store_id = :store_id AND key <= :last",
            store_id=store_id,
            last=rows[-1]["key"],
        )
    return len(rows) < limit


def _record(row: Row, payload: bytes | None) -> Record:
    return Record(
        content_type=row["content_type"],
        content_encoding=row["content_encoding"],
        size=row["size"],
        version=row["version"],
        modified_at=Instant(row["written_at"]),
        blob_key=row["blob_key"],
        payload=None if payload is None else bytes(payload),
    )


def _discard(tx: Tx, store_id: str, key: str, now: Instant) -> int | None:
    """Give up the blob of what is written over; the size it had, None if nothing was there."""
    old = tx.one(
        "SELECT byte_count, blob_key FROM key_value_records WHERE store_id = :store_id AND key = :key",
        store_id=store_id,
        key=key,
    )
    if old is None:
        return None
    if old["blob_key"] is not None:
        discard_blob(tx, old["blob_key"], now)
    return int(old["byte_count"])
