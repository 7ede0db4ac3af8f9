"""The SQL of copies of queues: the same requests in the same order, handled or pending, and none locked."""

from __future__ import annotations

from actorium.database import Tx
from actorium.kernel.instant import Instant
from actorium.request_queues.requests import PLACES_PER_MILLI

COUNTED = ("total_count", "handled_count", "last_position")
"""What a copy of a queue takes over of its row. Who worked on it is not in it: nobody has worked on the copy."""
_COPIED = "byte_count, summary, document"
_FREE = f"""
INSERT INTO queue_requests (queue_id, id, order_no, {_COPIED})
SELECT :queue_id, id, order_no, {_COPIED} FROM queue_requests
WHERE queue_id = :source_id AND (order_no IS NULL OR lock_expires_at <= :now)
"""
_LOCKED = f"""
INSERT INTO queue_requests (queue_id, id, order_no, {_COPIED})
SELECT :queue_id, id, CASE WHEN order_no < 0 THEN place - :last ELSE :first + place END, {_COPIED}
FROM (
  SELECT id, order_no, {_COPIED}, ROW_NUMBER() OVER (ORDER BY order_no, id) - 1 AS place FROM queue_requests
  WHERE queue_id = :source_id AND order_no IS NOT NULL AND lock_expires_at > :now
) AS locked
"""


def copy(tx: Tx, source_id: str, queue_id: str, *, now: Instant) -> None:
    """Give an empty queue, whose row is a copy already, the requests of another one that this transaction holds.

    What is locked there is beyond the present on either side; here it gets the last places, or the first ones, of it.
    """
    row = tx.one("SELECT last_position, total_count FROM request_queues WHERE id = :id", id=queue_id)
    assert row is not None
    first = max(row["last_position"], now * PLACES_PER_MILLI) + 1
    last = first + row["total_count"]
    tx.run(_FREE, queue_id=queue_id, source_id=source_id, now=int(now))
    if tx.run(_LOCKED, queue_id=queue_id, source_id=source_id, now=int(now), first=first, last=last):
        tx.run("UPDATE request_queues SET last_position = :last WHERE id = :id", id=queue_id, last=last)
