"""The one door for a build's status: the step, the row, the event and the wake, in one transaction."""

from __future__ import annotations

from dataclasses import replace

from actorium.builds import store
from actorium.builds.lifecycle import TERMINAL, BuildStatus, Event, step
from actorium.builds.row import BuildRow
from actorium.database import Tx
from actorium.events.outbox import emit
from actorium.kernel.instant import Instant

CHANNEL = "builds"
"""Where a build's changes are told, by its id."""
WORK = "builds.work"
"""Where it is told that the builder has something to do."""
_CREATED = "ACTOR.BUILD.CREATED"
_EVENTS = {
    BuildStatus.SUCCEEDED: "ACTOR.BUILD.SUCCEEDED",
    BuildStatus.FAILED: "ACTOR.BUILD.FAILED",
    BuildStatus.ABORTED: "ACTOR.BUILD.ABORTED",
    BuildStatus.TIMED_OUT: "ACTOR.BUILD.TIMED_OUT",
}


def create(tx: Tx, row: BuildRow, *, event_id: str) -> None:
    """Store a new build."""
    store.add(tx, row)
    _tell(tx, row, _CREATED, now=row.started_at, event_id=event_id)
    tx.wake(WORK, row.id)


def change(
    tx: Tx, row: BuildRow, event: Event, now: Instant, *, event_id: str, definition: str | None = None
) -> BuildRow:
    """Let an event happen to a build as it was read. Raises InvalidTransition, StaleWrite."""
    after = store.save(tx, replace(row, life=step(row.life, event, now)), definition=definition)
    if after.status in TERMINAL:
        _tell(tx, after, _EVENTS[after.status], now=now, event_id=event_id)
    tx.wake(CHANNEL, after.id)
    tx.wake(WORK, after.id)
    return after


def _tell(tx: Tx, row: BuildRow, type: str, *, now: Instant, event_id: str) -> None:
    document = {"actorId": row.actor_id, "actorBuildId": row.id}
    emit(tx, id=event_id, type=type, subject_id=row.id, owner_id=row.owner_id, now=now, document=document)
