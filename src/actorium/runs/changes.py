"""Saving a change of a run: the row by compare-and-set, its event and its wakes in one transaction."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from actorium.database import Tx
from actorium.events.outbox import emit
from actorium.kernel.instant import Instant
from actorium.logs.service import append_in
from actorium.runs import store
from actorium.runs.lifecycle import TERMINAL, RunStatus
from actorium.runs.log_lines import of_change
from actorium.runs.row import Run

CHANNEL = "runs"
"""Woken with the run's id on each change."""
ENDED = "runs.ended"
"""Woken with the run's id when it has finished: a run says much before, and thousands may wait for its end."""
WORK = "runs.work"
"""Woken when the supervisor has something to do."""


def add(tx: Tx, run: Run, *, event_id: str) -> None:
    """Store a new run with its event."""
    store.add(tx, run)
    _emit(tx, run, "ACTOR.RUN.CREATED", now=run.started_at, event_id=event_id)
    tx.wake(WORK, run.id)


def save(tx: Tx, before: Run, after: Run, *, now: Instant, event_id: str) -> Run:
    """Store a changed run; its status never changes without an event. Raises StaleWrite.

    Whatever another attempt is for, its web server has not answered yet.
    """
    if after.life.attempt != before.life.attempt:
        after = replace(after, document=structs.replace(after.document, is_container_server_ready=False))
    saved = store.save(tx, after, before=before)
    kind = kind_of(before, after)
    if kind is not None:
        _emit(tx, saved, kind, now=now, event_id=event_id)
        if (line := of_change(kind, before, saved)) is not None:
            append_in(tx, saved.id, [(now, line)])
    if _work_of(after) != _work_of(before):
        tx.wake(WORK, saved.id)
    tx.wake(CHANNEL, saved.id)
    if after.status in TERMINAL:
        tx.wake(ENDED, saved.id)
    return saved


def kind_of(before: Run, after: Run) -> str | None:
    """What a change is called in the outbox; None: nothing that anybody waits for."""
    old, new = before.life, after.life
    if old.status in TERMINAL and new.status not in TERMINAL:
        return "ACTOR.RUN.RESURRECTED"
    if new.status is not old.status:
        return event_type(new.status)
    if new.attempt != old.attempt:
        return _kind_of_attempt(before, after)
    return "ACTOR.RUN.MIGRATING" if new.migrate_at is not None and old.migrate_at is None else None


def _kind_of_attempt(before: Run, after: Run) -> str | None:
    """None: its machine let go of a run that had not started there."""
    if len(after.document.metamorphs) > len(before.document.metamorphs):
        return "ACTOR.RUN.METAMORPHED"
    grown = (name for name in _ATTEMPTS if getattr(after.life, name) > getattr(before.life, name))
    return _ATTEMPTS.get(next(grown, ""))


_ATTEMPTS = {
    "reboot_count": "ACTOR.RUN.REBOOTED",
    "restart_count": "ACTOR.RUN.RESTARTED",
    "migration_count": "ACTOR.RUN.MIGRATED",
}
"""Why there is another attempt, by what was counted."""


def _work_of(run: Run) -> tuple[RunStatus, int, Instant | None, Instant | None]:
    """What the supervisor acts by at once; other changes it sees in time."""
    return run.status, run.life.attempt, run.life.migrate_at, run.life.kill_at


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
