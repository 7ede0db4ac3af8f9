"""Writing and reading what happened. Readers claim rows they have not seen; ids do not commit in order."""

from __future__ import annotations

from typing import Any

from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.instant import Instant
from actorium.kernel.limits import EVENTS_KEPT_SECS, EVENTS_PER_PRUNE
from actorium.kernel.structs import encode

CHANNEL = "events"


class OutboxPruner:
    """Forgets what happened long ago, so that the outbox does not grow for ever."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def tick(self) -> None:
        """Delete events older than they are kept, a bounded number at a time."""
        before = self._clock.now().plus(secs=-EVENTS_KEPT_SECS)
        while await self._database.write(lambda tx: _prune(tx, before)) == EVENTS_PER_PRUNE:
            pass


def _prune(tx: Tx, before: Instant) -> int:
    return tx.run(
        "DELETE FROM events WHERE id IN"
        " (SELECT id FROM events WHERE created_at < :before ORDER BY created_at LIMIT :limit)",
        before=int(before),
        limit=EVENTS_PER_PRUNE,
    )


def emit(
    tx: Tx, *, id: str, type: str, subject_id: str, owner_id: str, now: Instant, document: Any | None = None
) -> None:
    """Write an event in the transaction that makes it true, and wake its readers after the commit."""
    tx.run(
        "INSERT INTO events (id, type, subject_id, owner_id, created_at, document)"
        " VALUES (:id, :type, :subject_id, :owner_id, :created_at, :document)",
        id=id,
        type=type,
        subject_id=subject_id,
        owner_id=owner_id,
        created_at=int(now),
        document=encode(document or {}).decode(),
    )
    tx.wake(CHANNEL, subject_id)
