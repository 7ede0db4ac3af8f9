"""The only SQL about the records of key-value stores."""

from __future__ import annotations

from actorium.database import Tx
from actorium.kernel.instant import Instant
from actorium.key_value_stores.record import Record
from actorium.storages.store import discard_blob

_LAST_CHARACTER = "\N{DELETE}"  # behind everything a key may hold


def find(tx: Tx, store_id: str, key: str) -> Record | None:
    row = tx.one(
        "SELECT content_type, content_encoding, byte_count, version, modified_at, blob_key, payload"
        " FROM key_value_records WHERE store_id = :store_id AND key = :key",
        store_id=store_id,
        key=key,
    )
    if row is None:
        return None
    return Record(
        content_type=row["content_type"],
        content_encoding=row["content_encoding"],
        size=row["byte_count"],
        version=row["version"],
        modified_at=Instant(row["modified_at"]),
        blob_key=row["blob_key"],
        payload=None if row["payload"] is None else bytes(row["payload"]),
    )


def put(tx: Tx, store_id: str, key: str, record: Record) -> bool:
    """Write over what is there; False if the store is gone."""
    if not _lock(tx, store_id, record.modified_at):
        return False
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
    tx.run(
        "UPDATE key_value_stores SET byte_count = byte_count + :grown, write_count = write_count + 1 WHERE id = :id",
        id=store_id,
        grown=record.size - (old_size or 0),
    )
    return True


def delete(tx: Tx, store_id: str, key: str, now: Instant) -> None:
    """Take a record away; absent is success."""
    if not _lock(tx, store_id, now):
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
        "SELECT key, byte_count FROM key_value_records WHERE store_id = :store_id"
        " AND key > :after AND key >= :prefix AND key < :beyond ORDER BY key LIMIT :limit",
        store_id=store_id,
        after=after,
        prefix=prefix,
        beyond=prefix + _LAST_CHARACTER,
        limit=limit,
    )
    return [(row["key"], row["byte_count"]) for row in rows]


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


def _lock(tx: Tx, store_id: str, now: Instant) -> bool:
    """Hold the store's row until the commit, so that its counters and records change together."""
    return tx.run("UPDATE key_value_stores SET modified_at = :now WHERE id = :id", id=store_id, now=int(now)) == 1


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
