"""Saving a change of a run: the row by compare-and-set, its event and its wakes in one transaction."""

from __future__ import annotations

from actorium.database import Tx
from actorium.events.outbox import emit
from actorium.kernel.instant import Instant
from actorium.runs import store
from actorium.runs.lifecycle import RunStatus
from actorium.runs.row import Run

CHANNEL = "runs"
"""Woken with the run's id on each change."""
WORK = "runs.work"
"""Woken when the supervisor has something to do."""


def add(tx: Tx, run: Run, *, event_id: str) -> None:
    """Store a new run with its event."""
    store.add(tx, run)
    _emit(tx, run, "ACTOR.RUN.CREATED", now=run.started_at, event_id=event_id)
    tx.wake(WORK, run.id)


def save(tx: Tx, before: Run, after: Run, *, now: Instant, event_id: str) -> Run:
    """Store a changed run; its status never changes without an event. Raises StaleWrite."""
    saved = store.save(tx, after)
    if after.status is not before.status:
        _emit(tx, saved, event_type(after.status), now=now, event_id=event_id)
    elif after.life.attempt != before.life.attempt:
        _emit(tx, saved, "ACTOR.RUN.REBOOTED", now=now, event_id=event_id)
    if (after.status, after.life.attempt) != (before.status, before.life.attempt):
        tx.wake(WORK, saved.id)
    tx.wake(CHANNEL, saved.id)
    return saved


def event_type(status: RunStatus) -> str:
    """The event of a status: webhooks know the terminal ones, live views the others too."""
    return f"ACTOR.RUN.{status.replace('-', '_')}"


def _emit(tx: Tx, run: Run, kind: str, *, now: Instant, event_id: str) -> None:
    emit(
        tx,
        id=event_id,
        type=kind,
        subject_id=run.id,
        owner_id=run.owner_id,
        now=now,
        document={"actorId": run.actor_id, "actorTaskId": run.task_id, "actorRunId": run.id},
    )
