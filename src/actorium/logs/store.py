"""The only SQL about logs: one row per log, whole lines in chunks by byte position."""

from __future__ import annotations

from dataclasses import dataclass

from actorium.database import Row, Tx
from actorium.kernel.limits import LOG_CHUNK_BYTES

MERGE_BYTES_MAX = LOG_CHUNK_BYTES // 4  # appends rewrite the last chunk up to here, so that live logs stay few rows


@dataclass(frozen=True, slots=True)
class LogRow:
    size: int
    is_full: bool
    container: str
    cursor: str


@dataclass(frozen=True, slots=True)
class Chunk:
    position: int
    payload: bytes


_FIND = "SELECT size, is_full, container, cursor FROM logs WHERE subject_id = :id"


def find(tx: Tx, subject_id: str) -> LogRow | None:
    return _row(tx.one(_FIND, id=subject_id))


def held(tx: Tx, subject_id: str) -> LogRow | None:
    """The same for who writes: another server, which may be about to, waits until this transaction is over."""
    return _row(tx.held(_FIND, id=subject_id))


def _row(row: Row | None) -> LogRow | None:
    return None if row is None else LogRow(row["size"], bool(row["is_full"]), row["container"], row["cursor"])


def create(tx: Tx, *, subject_id: str, owner_id: str) -> None:
    tx.run(
        "INSERT INTO logs (subject_id, owner_id, size, is_full, container, cursor)"
        " VALUES (:id, :owner_id, 0, 0, '', '')"
        " ON CONFLICT (subject_id) DO NOTHING",
        id=subject_id,
        owner_id=owner_id,
    )


def append(tx: Tx, subject_id: str, payload: bytes, *, row: LogRow, is_full: bool) -> None:
    """Add bytes (whole lines) behind what the row counts, which is held."""
    last = tx.one(
        "SELECT position, payload FROM log_chunks WHERE subject_id = :id ORDER BY position DESC LIMIT 1", id=subject_id
    )
    if last is not None and len(last["payload"]) + len(payload) <= MERGE_BYTES_MAX:
        tx.run(
            "UPDATE log_chunks SET payload = :payload WHERE subject_id = :id AND position = :position",
            id=subject_id,
            position=last["position"],
            payload=bytes(last["payload"]) + payload,
        )
    else:
        tx.run(
            "INSERT INTO log_chunks (subject_id, position, payload) VALUES (:id, :position, :payload)",
            id=subject_id,
            position=row.size,
            payload=payload,
        )
    tx.run(
        "UPDATE logs SET size = :size, is_full = :is_full WHERE subject_id = :id",
        id=subject_id,
        size=row.size + len(payload),
        is_full=int(is_full),
    )


def seen(tx: Tx, subject_id: str, *, container: str, cursor: str) -> None:
    """Remember how far a container's log was taken in."""
    tx.run(
        "UPDATE logs SET container = :container, cursor = :cursor WHERE subject_id = :id",
        id=subject_id,
        container=container,
        cursor=cursor,
    )


def chunks(tx: Tx, subject_id: str, *, after: int, limit: int) -> list[Chunk]:
    """Chunks that hold bytes at or behind a position."""
    rows = tx.all(
        "SELECT position, payload FROM log_chunks WHERE subject_id = :id AND position >= COALESCE("
        "(SELECT MAX(position) FROM log_chunks WHERE subject_id = :id AND position <= :after), 0)"
        " ORDER BY position LIMIT :limit",
        id=subject_id,
        after=after,
        limit=limit,
    )
    return [Chunk(row["position"], bytes(row["payload"])) for row in rows]


def start_of(tx: Tx, subject_id: str, *, newest: int) -> int:
    """The position of the chunk from which on the newest bytes are read: 0, or behind older ones."""
    row = tx.one(
        "SELECT MAX(position) AS position FROM log_chunks WHERE subject_id = :id AND position <="
        " (SELECT size FROM logs WHERE subject_id = :id) - :newest",
        id=subject_id,
        newest=newest,
    )
    return (row["position"] if row is not None else None) or 0


def end_of(tx: Tx, subject_id: str) -> bytes:
    """The last chunk of a log, empty if it has none."""
    row = tx.one("SELECT payload FROM log_chunks WHERE subject_id = :id ORDER BY position DESC LIMIT 1", id=subject_id)
    return b"" if row is None else bytes(row["payload"])


def delete(tx: Tx, subject_id: str) -> None:
    tx.run("DELETE FROM log_chunks WHERE subject_id = :id", id=subject_id)
    tx.run("DELETE FROM logs WHERE subject_id = :id", id=subject_id)
