"""The only SQL about the requests of queues.

Places are numbers: a million to each millisecond, so that places of the present and times of unlocking compare. What is
locked has a place beyond the present, on either side; so one partial index finds the head, what is locked and what is
pending, and never looks at what is handled.
Every work that changes a queue holds the queue's row first; so counters are exact and a head is handed out once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.limits import REQUESTS_PER_BATCH_MAX, SUMMARY_BYTES_MIN
from actorium.kernel.structs import decode, encode
from actorium.request_queues.model import HeadRequest
from actorium.request_queues.requests import PLACES_PER_MILLI, Draft

_SUMMARY = "CASE WHEN summary = '' THEN document ELSE summary END AS summary"
_LISTED = "id, document, order_no, lock_expires_at, lock_client, byte_count"
_ENTER = """
SELECT last_position, client_key, had_multiple_clients FROM request_queues WHERE id = :id AND owner_id = :owner_id
"""
_LEAVE = """
UPDATE request_queues SET modified_at = :now, last_position = :last_place, client_key = :client_key,
  had_multiple_clients = :had_multiple_clients, total_count = total_count + :total,
  handled_count = handled_count + :handled, byte_count = byte_count + :size, write_count = write_count + :writes,
  delete_count = delete_count + :deletes
WHERE id = :id
"""
_ADD = """
INSERT INTO queue_requests (queue_id, id, order_no, byte_count, summary, document)
VALUES (:queue_id, :id, :order_no, :size, :summary, :document) ON CONFLICT DO NOTHING
"""
_REPLACE = """
UPDATE queue_requests SET order_no = :order_no, byte_count = :size, summary = :summary, document = :document,
  lock_expires_at = :lock_expires_at
WHERE queue_id = :queue_id AND id = :id
"""
_LOCK_HEAD = f"""
UPDATE queue_requests SET lock_expires_at = :expires_at, lock_client = :client, lock_run = :run_id,
  order_no = CASE WHEN order_no < 0 THEN head.place - :unlock_place ELSE head.place + :unlock_place END
FROM (SELECT front.id AS head_id, ROW_NUMBER() OVER (ORDER BY front.order_no) AS place FROM (
  SELECT id, order_no FROM queue_requests WHERE queue_id = :queue_id
  AND order_no BETWEEN :lowest AND :highest AND lock_expires_at <= :now ORDER BY order_no LIMIT :limit
) AS front) AS head
WHERE queue_id = :queue_id AND id = head.head_id RETURNING order_no, {_SUMMARY}
"""
_UNLOCK_ALL = """
UPDATE queue_requests SET lock_expires_at = 0, lock_client = '', lock_run = '',
  order_no = CASE WHEN order_no < 0 THEN held.place - :last ELSE held.place + :first END
FROM (SELECT locked.id AS held_id, ROW_NUMBER() OVER (ORDER BY locked.order_no) - 1 AS place FROM (
  SELECT id, order_no FROM queue_requests WHERE queue_id = :queue_id AND order_no < -:present
  AND lock_expires_at > :now AND (lock_client = :client OR (lock_run = :run_id AND lock_run <> ''))
  UNION ALL
  SELECT id, order_no FROM queue_requests WHERE queue_id = :queue_id AND order_no > :present
  AND lock_expires_at > :now AND (lock_client = :client OR (lock_run = :run_id AND lock_run <> ''))
  LIMIT :limit
) AS locked) AS held
WHERE queue_id = :queue_id AND id = held.held_id
"""
_HAS_LOCKS = """
SELECT 1 AS found WHERE EXISTS (
  SELECT 1 FROM queue_requests WHERE queue_id = :queue_id AND order_no > :present AND lock_expires_at > :now
) OR EXISTS (
  SELECT 1 FROM queue_requests WHERE queue_id = :queue_id AND order_no < -:present AND lock_expires_at > :now
)
"""


@dataclass(frozen=True, slots=True)
class Client:
    """Who works on a queue: a key, and the run behind it if there is one."""

    key: str
    run_id: str


@dataclass(slots=True)
class Entered:
    """A queue whose row this work holds, and what the work does to it: ``leave`` writes that down."""

    id: str
    now: Instant
    last_place: int
    client_key: str
    """The first client that came."""
    had_multiple_clients: bool
    total: int = 0
    handled: int = 0
    size: int = 0
    writes: int = 0
    deletes: int = 0

    def take(self, count: int = 1) -> int:
        """The first of so many new places at the end."""
        self.last_place += count
        return self.last_place - count + 1


@dataclass(frozen=True, slots=True)
class Known:
    """What decides about a stored request."""

    place: int | None
    """None: it is handled."""
    size: int
    lock_expires_at: int
    lock_client: str
    lock_run: str

    @property
    def handled(self) -> bool:
        return self.place is None

    def locked_for(self, client: Client, now: Instant) -> bool:
        """Whether another client holds it."""
        return self.lock_expires_at > now and not self.held_by(client)

    def held_by(self, client: Client) -> bool:
        return self.lock_client == client.key or (client.run_id != "" and self.lock_run == client.run_id)


def enter(tx: Tx, queue_id: str, owner_id: str, client: Client, *, now: Callable[[], Instant]) -> Entered | None:
    """Hold the queue's row and note who came. None if there is no such queue of this owner."""
    row = tx.held(_ENTER, id=queue_id, owner_id=owner_id)
    if row is None:
        return None
    came = now()  # not before the row was free: what was done meanwhile is not of the future
    first = row["client_key"]
    return Entered(
        queue_id,
        came,
        max(row["last_position"], came * PLACES_PER_MILLI),
        first or client.key,
        bool(row["had_multiple_clients"]) or first not in ("", client.key),
    )


def leave(tx: Tx, queue: Entered) -> None:
    """Write down who came and what was done."""
    tx.run(
        _LEAVE,
        id=queue.id,
        now=int(queue.now),
        last_place=queue.last_place,
        client_key=queue.client_key,
        had_multiple_clients=int(queue.had_multiple_clients),
        total=queue.total,
        handled=queue.handled,
        size=queue.size,
        writes=queue.writes,
        deletes=queue.deletes,
    )


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


def known(tx: Tx, queue_id: str, ids: Sequence[str]) -> dict[str, Known]:
    """Which of up to 25 requests are there."""
    rows = tx.all(_known(len(ids)), queue_id=queue_id, **{f"id{at}": one for at, one in enumerate(ids)})
    return {
        row["id"]: Known(
            row["order_no"], row["byte_count"], row["lock_expires_at"], row["lock_client"], row["lock_run"]
        )
        for row in rows
    }


@lru_cache(maxsize=REQUESTS_PER_BATCH_MAX)
def _known(count: int) -> str:
    return (
        "SELECT id, order_no, lock_expires_at, lock_client, lock_run, byte_count FROM queue_requests"
        f" WHERE queue_id = :queue_id AND id IN ({_names(count)})"
    )


@lru_cache(maxsize=REQUESTS_PER_BATCH_MAX)
def _names(count: int) -> str:
    return ", ".join(f":id{at}" for at in range(count))


def add(tx: Tx, queue_id: str, drafts: Sequence[Draft], *, first_place: int) -> int:
    """Store requests, each at its place, unless it is there; how many were not."""
    return tx.many(
        _ADD,
        [
            {
                "queue_id": queue_id,
                "id": draft.id,
                "order_no": None if draft.handled else place,
                "size": draft.size,
                "summary": _summary(draft),
                "document": draft.document,
            }
            for place, draft in enumerate(drafts, first_place)
        ],
    )


def heads(tx: Tx, queue_id: str, ids: Sequence[str]) -> list[HeadRequest]:
    """What a head shows of up to 25 requests, wherever they stand."""
    rows = tx.all(_heads(len(ids)), queue_id=queue_id, **{f"id{at}": one for at, one in enumerate(ids)})
    return [decode(row["summary"], HeadRequest) for row in rows]


@lru_cache(maxsize=REQUESTS_PER_BATCH_MAX)
def _heads(count: int) -> str:
    return f"SELECT {_SUMMARY} FROM queue_requests WHERE queue_id = :queue_id AND id IN ({_names(count)})"


def replace(tx: Tx, queue_id: str, draft: Draft, *, place: int, lock_expires_at: int) -> None:
    """Write over a request. A handled one leaves the order and loses its lock."""
    tx.run(
        _REPLACE,
        queue_id=queue_id,
        id=draft.id,
        order_no=None if draft.handled else place,
        size=draft.size,
        summary=_summary(draft),
        document=draft.document,
        lock_expires_at=0 if draft.handled else lock_expires_at,
    )


def _summary(draft: Draft) -> str:
    """What a head shows of a request; nothing where reading the request itself costs no more."""
    return "" if draft.size < SUMMARY_BYTES_MIN else encode(draft.head).decode()


def delete(tx: Tx, queue_id: str, ids: Sequence[str]) -> None:
    """Remove up to 25 requests."""
    tx.run(_delete(len(ids)), queue_id=queue_id, **{f"id{at}": one for at, one in enumerate(ids)})


@lru_cache(maxsize=REQUESTS_PER_BATCH_MAX)
def _delete(count: int) -> str:
    return f"DELETE FROM queue_requests WHERE queue_id = :queue_id AND id IN ({_names(count)})"


def head(tx: Tx, queue_id: str, *, now: Instant, last_place: int, limit: int) -> list[HeadRequest]:
    """The next requests that are neither handled nor locked, in order."""
    bound = _bound(now, last_place)
    rows = tx.all(
        f"SELECT {_SUMMARY} FROM queue_requests WHERE queue_id = :queue_id"
        " AND order_no BETWEEN :lowest AND :highest AND lock_expires_at <= :now ORDER BY order_no LIMIT :limit",
        queue_id=queue_id,
        lowest=-bound,
        highest=bound,
        now=int(now),
        limit=limit,
    )
    return [decode(row["summary"], HeadRequest) for row in rows]


def lock_head(tx: Tx, queue: Entered, client: Client, *, expires_at: Instant, limit: int) -> list[HeadRequest]:
    """The same, locked for a client in one statement. They keep their order when the lock expires."""
    bound = _bound(queue.now, queue.last_place)
    rows = tx.all(
        _LOCK_HEAD,
        queue_id=queue.id,
        client=client.key,
        run_id=client.run_id,
        expires_at=int(expires_at),
        unlock_place=expires_at * PLACES_PER_MILLI,
        lowest=-bound,
        highest=bound,
        now=int(queue.now),
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


def unlock_all(tx: Tx, queue: Entered, client: Client, *, limit: int) -> int:
    """Put back up to ``limit`` requests that a client or its run holds, in the order in which they were; how many."""
    first = queue.take(limit)
    return tx.run(
        _UNLOCK_ALL,
        queue_id=queue.id,
        client=client.key,
        run_id=client.run_id,
        now=int(queue.now),
        present=queue.now * PLACES_PER_MILLI,
        first=first,
        last=queue.last_place,
        limit=limit,
    )


def has_locks(tx: Tx, queue_id: str, now: Instant) -> bool:
    """Whether any request of the queue is locked."""
    return tx.one(_HAS_LOCKS, queue_id=queue_id, present=now * PLACES_PER_MILLI, now=int(now)) is not None


def find(tx: Tx, queue_id: str, id: str) -> Row | None:
    """A request's document, order_no, lock_expires_at and lock_client."""
    return tx.one(
        f"SELECT {_LISTED} FROM queue_requests WHERE queue_id = :queue_id AND id = :id", queue_id=queue_id, id=id
    )


def listed(tx: Tx, queue_id: str, *, after: str, limit: int) -> list[Row]:
    """Requests behind an id, in the order of ids."""
    return tx.all(
        f"SELECT {_LISTED} FROM queue_requests WHERE queue_id = :queue_id AND id > :after ORDER BY id LIMIT :limit",
        queue_id=queue_id,
        after=after,
        limit=limit,
    )


def listed_pending(
    tx: Tx, queue_id: str, *, after: tuple[int, str], until: int, locked_after: int, limit: int
) -> list[Row]:
    """Requests that are not handled, behind a place and id and up to a place, in their order; only such whose lock
    ends after a moment (-1: all)."""
    place, behind = after
    return tx.all(
        f"SELECT {_LISTED} FROM queue_requests WHERE queue_id = :queue_id"
        " AND order_no BETWEEN :place AND :until AND (order_no > :place OR id > :behind)"
        " AND lock_expires_at > :locked_after ORDER BY order_no, id LIMIT :limit",
        queue_id=queue_id,
        place=place,
        behind=behind,
        until=until,
        locked_after=locked_after,
        limit=limit,
    )


def clear(tx: Tx, queue_id: str, limit: int, now: Instant) -> bool:  # noqa: ARG001 - requests have no blobs
    """Remove up to ``limit`` requests of a deleted queue; True when none is left."""
    row = tx.one(
        "SELECT id FROM queue_requests WHERE queue_id = :queue_id ORDER BY id LIMIT 1 OFFSET :limit",
        queue_id=queue_id,
        limit=limit,
    )
    if row is None:
        tx.run("DELETE FROM queue_requests WHERE queue_id = :queue_id", queue_id=queue_id)
        return True
    tx.run("DELETE FROM queue_requests WHERE queue_id = :queue_id AND id < :id", queue_id=queue_id, id=row["id"])
    return False


def unlock_place(expires_at: int, *, forefront: bool) -> int:
    """Where a locked request will be when its lock ends."""
    place = expires_at * PLACES_PER_MILLI
    return -place if forefront else place


def _bound(now: Instant, last_place: int) -> int:
    """Places up to here are of the present: what is beyond is locked. The clock may have gone back since the last."""
    return max((now + 1) * PLACES_PER_MILLI - 1, last_place)
