"""Writing and reading what happened. Readers claim rows they have not seen; ids do not commit in order."""

from __future__ import annotations

from typing import Any

from actorium.database import Tx
from actorium.kernel.instant import Instant
from actorium.kernel.structs import encode

CHANNEL = "events"


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
