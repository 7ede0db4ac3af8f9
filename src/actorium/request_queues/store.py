"""The only SQL about the requests of queues.

Places are numbers: a million to each millisecond, so that places of the present and times of unlocking compare.
Every work that changes a queue holds the queue's row first; so counters are exact and a head is handed out once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.structs import decode, encode
from actorium.request_queues.model import HeadRequest
from actorium.request_queues.requests import Draft

PLACES_PER_MILLI = 1_000_000
_KNOWN = """
SELECT id, order_no, lock_expires_at, lock_client, lock_run, byte_count FROM queue_requests
WHERE queue_id = :queue_id AND id IN (
  :id0, :id1, :id2, :id3, :id4, :id5, :id6, :id7, :id8, :id9, :id10, :id11, :id12, :id13, :id14,
  :id15, :id16, :id17, :id18, :id19, :id20, :id21, :id22, :id23, :id24
)
"""
_KNOWN_MAX = 25


@dataclass(frozen=True, slots=True)
class Client:
    """Who works on a queue: a key, and the run behind it if there is one."""

    key: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Entered:
    """A queue whose row this work holds."""

    id: str
    first_place: int
    """The first of the places that were taken."""
    last_place: int
    had_multiple_clients: bool
    modified_at: Instant


@dataclass(frozen=True, slots=True)
class Known:
    """What decides about a stored request."""

    handled: bool
    size: int
    lock_expires_at: Instant
    lock_client: str
    lock_run: str

    def locked_for(self, client: Client, now: Instant) -> bool:
        """Whether another client holds it."""
        return self.lock_expires_at > now and not self.held_by(client)

    def held_by(self, client: Client) -> bool:
        return self.lock_client == client.key or (client.run_id != "" and self.lock_run == client.run_id)


def enter(tx: Tx, queue_id: str, client: Client, *, now: Instant, places: int = 0) -> Entered | None:
    """Hold the queue's row, note who came, and take places at the end. None if the queue is gone."""
    row = tx.one(
        "UPDATE request_queues SET modified_at = :now,"
        " had_multiple_clients = CASE WHEN client_key NOT IN ('', :client) THEN 1 ELSE had_multiple_clients END,"
        " client_key = CASE WHEN client_key = '' THEN :client ELSE client_key END,"
        " last_position = CASE WHEN last_position > :present THEN last_position + :places ELSE :present + :places END"
        " WHERE id = :id RETURNING last_position, had_multiple_clients",
        id=queue_id,
        client=client.key,
        now=int(now),
        present=int(now) * PLACES_PER_MILLI,
        places=places,
    )
    if row is None:
        return None
    last = int(row["last_position"])
    return Entered(queue_id, last - places + 1, last, bool(row["had_multiple_clients"]), now)


def note_client(tx: Tx, queue_id: str, client: Client) -> bool:
    """Note who came to read; whether the queue had several clients by now."""
    row = tx.one(
        "UPDATE request_queues SET"
        " had_multiple_clients = CASE WHEN client_key NOT IN ('', :client) THEN 1 ELSE had_multiple_clients END,"
        " client_key = CASE WHEN client_key = '' THEN :client ELSE client_key END"
        " WHERE id = :id RETURNING had_multiple_clients",
        id=queue_id,
        client=client.key,
    )
    return row is not None and bool(row["had_multiple_clients"])


def count(
    tx: Tx, queue_id: str, *, total: int = 0, handled: int = 0, size: int = 0, writes: int = 0, deletes: int = 0
) -> None:
    """Add to the counters of a queue whose row this work holds."""
    tx.run(
        "UPDATE request_queues SET total_count = total_count + :total, handled_count = handled_count + :handled,"
        " byte_count = byte_count + :size, write_count = write_count + :writes, delete_count = delete_count + :deletes"
        " WHERE id = :id",
        id=queue_id,
        total=total,
        handled=handled,
        size=size,
        writes=writes,
        deletes=deletes,
    )


def known(tx: Tx, queue_id: str, ids: Sequence[str]) -> dict[str, Known]:
    """Which of up to 25 requests are there."""
    padded = [*ids, *[""] * (_KNOWN_MAX - len(ids))]
    rows = tx.all(_KNOWN, queue_id=queue_id, **{f"id{at}": one for at, one in enumerate(padded)})
    return {
        row["id"]: Known(
            row["order_no"] is None,
            row["byte_count"],
            Instant(row["lock_expires_at"]),
            row["lock_client"],
            row["lock_run"],
        )
        for row in rows
    }


def add(tx: Tx, queue_id: str, placed: Iterable[tuple[Draft, int]]) -> None:
    """Store new requests, each at its place."""
    tx.many(
        "INSERT INTO queue_requests (queue_id, id, order_no, byte_count, summary, document)"
        " VALUES (:queue_id, :id, :order_no, :size, :summary, :document)",
        [
            {
                "queue_id": queue_id,
                "id": draft.id,
                "order_no": None if draft.handled else place,
                "size": draft.size,
                "summary": encode(draft.head).decode(),
                "document": draft.document,
            }
            for draft, place in placed
        ],
    )


def replace(tx: Tx, queue_id: str, draft: Draft, *, place: int, lock_expires_at: Instant) -> None:
    """Write over a request. A handled one leaves the order and loses its lock."""
    tx.run(
        "UPDATE queue_requests SET order_no = :order_no, byte_count = :size, summary = :summary,"
        " document = :document, lock_expires_at = :lock_expires_at WHERE queue_id = :queue_id AND id = :id",
        queue_id=queue_id,
        id=draft.id,
        order_no=None if draft.handled else place,
        size=draft.size,
        summary=encode(draft.head).decode(),
        document=draft.document,
        lock_expires_at=0 if draft.handled else int(lock_expires_at),
    )


def delete(tx: Tx, queue_id: str, id: str) -> None:
    tx.run("DELETE FROM queue_requests WHERE queue_id = :queue_id AND id = :id", queue_id=queue_id, id=id)


def head(tx: Tx, queue_id: str, *, now: Instant, last_place: int, limit: int) -> list[HeadRequest]:
    """The next requests that are neither handled nor locked, in order."""
    bound = _bound(now, last_place)
    rows = tx.all(
        "SELECT summary FROM queue_requests WHERE queue_id = :queue_id"
        " AND order_no BETWEEN :lowest AND :highest AND lock_expires_at <= :now ORDER BY order_no LIMIT :limit",
        queue_id=queue_id,
        lowest=-bound,
        highest=bound,
        now=int(now),
        limit=limit,
    )
    return [decode(row["summary"], HeadRequest) for row in rows]


def lock_head(
    tx: Tx, queue: Entered, client: Client, *, now: Instant, expires_at: Instant, limit: int
) -> list[HeadRequest]:
    """The same, locked for a client in one statement. They keep their order when the lock expires."""
    bound = _bound(now, queue.last_place)
    rows = tx.all(
        "UPDATE queue_requests SET lock_expires_at = :expires_at, lock_client = :client, lock_run = :run_id,"
        " order_no = CASE WHEN order_no < 0 THEN head.place - :unlock_place ELSE head.place + :unlock_place END"
        " FROM (SELECT front.id AS head_id, ROW_NUMBER() OVER (ORDER BY front.order_no) AS place FROM ("
        "  SELECT id, order_no FROM queue_requests WHERE queue_id = :queue_id"
        "  AND order_no BETWEEN :lowest AND :highest AND lock_expires_at <= :now ORDER BY order_no LIMIT :limit"
        " ) AS front) AS head"
        " WHERE queue_id = :queue_id AND id = head.head_id RETURNING order_no, summary",
        queue_id=queue.id,
        client=client.key,
        run_id=client.run_id,
        expires_at=int(expires_at),
        unlock_place=int(expires_at) * PLACES_PER_MILLI,
        lowest=-bound,
        highest=bound,
        now=int(now),
        limit=limit,
    )
    return [decode(row["summary"], HeadRequest) for row in sorted(rows, key=lambda row: int(row["order_no"]))]


def prolong(tx: Tx, queue_id: str, id: str, client: Client, *, expires_at: Instant, forefront: bool) -> bool:
    """Whether the lock, or an expired one that nobody took since, was the client's and now holds longer."""
    changed = tx.run(
        "UPDATE queue_requests SET lock_expires_at = :expires_at, order_no = :place"
        " WHERE queue_id = :queue_id AND id = :id AND order_no IS NOT NULL AND lock_expires_at > 0"
        " AND (lock_client = :client OR (lock_run = :run_id AND lock_run <> ''))",
        queue_id=queue_id,
        id=id,
        client=client.key,
        run_id=client.run_id,
        expires_at=int(expires_at),
        place=unlock_place(expires_at, forefront=forefront),
    )
    return changed == 1


def unlock(tx: Tx, queue_id: str, id: str, *, place: int) -> None:
    """Put a request back at a place."""
    tx.run(
        "UPDATE queue_requests SET lock_expires_at = 0, lock_client = '', lock_run = '', order_no = :place"
        " WHERE queue_id = :queue_id AND id = :id",
        queue_id=queue_id,
        id=id,
        place=place,
    )


def unlock_all(tx: Tx, queue: Entered, client: Client, *, now: Instant, limit: int) -> int:
    """Put back up to ``limit`` requests that a client or its run holds; how many."""
    return tx.run(
        "UPDATE queue_requests SET lock_expires_at = 0, lock_client = '', lock_run = '',"
        " order_no = CASE WHEN order_no < 0 THEN -:place ELSE :place END"
        " WHERE queue_id = :queue_id AND id IN (SELECT id FROM queue_requests WHERE queue_id = :queue_id"
        "  AND lock_expires_at > 0 AND lock_expires_at > :now"
        "  AND (lock_client = :client OR (lock_run = :run_id AND lock_run <> '')) LIMIT :limit)",
        queue_id=queue.id,
        client=client.key,
        run_id=client.run_id,
        now=int(now),
        place=queue.last_place,
        limit=limit,
    )


def has_locks(tx: Tx, queue_id: str, now: Instant) -> bool:
    """Whether any request of the queue is locked."""
    row = tx.one(
        "SELECT 1 AS found FROM queue_requests"
        " WHERE queue_id = :queue_id AND lock_expires_at > 0 AND lock_expires_at > :now LIMIT 1",
        queue_id=queue_id,
        now=int(now),
    )
    return row is not None


def find(tx: Tx, queue_id: str, id: str) -> Row | None:
    """A request's document, order_no, lock_expires_at and lock_client."""
    return tx.one(
        "SELECT id, document, order_no, lock_expires_at, lock_client FROM queue_requests"
        " WHERE queue_id = :queue_id AND id = :id",
        queue_id=queue_id,
        id=id,
    )


def listed(
    tx: Tx, queue_id: str, *, after: str, only_locked: bool, only_pending: bool, now: Instant, limit: int
) -> list[Row]:
    """Requests behind an id, in the order of ids; only the locked or pending ones where asked."""
    return tx.all(
        "SELECT id, document, order_no, lock_expires_at, lock_client, byte_count FROM queue_requests"
        " WHERE queue_id = :queue_id AND id > :after"
        " AND ((:locked = 0 AND :pending = 0) OR (:locked = 1 AND lock_expires_at > :now)"
        "  OR (:pending = 1 AND order_no IS NOT NULL))"
        " ORDER BY id LIMIT :limit",
        queue_id=queue_id,
        after=after,
        locked=int(only_locked),
        pending=int(only_pending),
        now=int(now),
        limit=limit,
    )


def clear(tx: Tx, queue_id: str, limit: int, now: Instant) -> bool:  # noqa: ARG001 - requests have no blobs
    """Remove up to ``limit`` requests of a deleted queue; True when none is left."""
    changed = tx.run(
        "DELETE FROM queue_requests WHERE queue_id = :queue_id AND id IN"
        " (SELECT id FROM queue_requests WHERE queue_id = :queue_id LIMIT :limit)",
        queue_id=queue_id,
        limit=limit,
    )
    return changed < limit


def unlock_place(expires_at: Instant, *, forefront: bool) -> int:
    """Where a locked request will be when its lock ends."""
    place = int(expires_at) * PLACES_PER_MILLI
    return -place if forefront else place


def _bound(now: Instant, last_place: int) -> int:
    """Places up to here are of the present: what is beyond is locked. The clock may have gone back since the last."""
    return max((int(now) + 1) * PLACES_PER_MILLI - 1, last_place)
