"""The life of a run: which status follows which event, and what to do next. Pure functions.

    READY ──started──▶ RUNNING ──exited 0──▶ SUCCEEDED ─┐
      │                  │  └────exited ≠ 0, start-failed, lost──▶ FAILED ─┤
      │                  ├──deadline──▶ TIMING-OUT ──exited──▶ TIMED-OUT ──┤
      └────abort─────────┴──abort─────▶ ABORTING ────exited──▶ ABORTED ────┤
      ▲                                                                    │
      └────────────────────────────────resurrect───────────────────────────┘

A run has attempts; the container of an attempt is named ``{run}-{attempt}``. Reboot, metamorph, restart on error,
migration and resurrect are all "attempt + 1" on the same storages: the run stays RUNNING (a resurrected one waits for
its place in READY), the old container is ended because no row names it any more, and the new one is started only when
every older one is gone.

A run belongs to a node from its first start until its node lets go of it; only that node's supervisor acts for it. A
node that is drained tells its runs (``MIGRATE``), ends them at ``migrate_at``, and lets go of each when nothing of it
is alive any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from actorium.executors import Cause, Container, Phase
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    GRACEFUL_ABORT_SECS,
    MIGRATION_SECS,
    RESTARTS_MAX,
    RESTARTS_WINDOW_SECS,
    TIMING_OUT_SECS,
)


class RunStatus(StrEnum):
    """The API's eight."""

    READY = "READY"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMING_OUT = "TIMING-OUT"
    TIMED_OUT = "TIMED-OUT"
    ABORTING = "ABORTING"
    ABORTED = "ABORTED"


TERMINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.ABORTED})
STOPPING = frozenset({RunStatus.TIMING_OUT, RunStatus.ABORTING})


class Event(StrEnum):
    """What happened to a run."""

    STARTED = "started"
    START_FAILED = "start-failed"
    EXITED = "exited"
    LOST = "lost"
    NODE_LOST = "node-lost"
    DEADLINE = "deadline"
    ABORT = "abort"
    ABORT_GRACEFULLY = "abort-gracefully"
    REBOOT = "reboot"
    METAMORPH = "metamorph"
    RESURRECT = "resurrect"
    MIGRATE = "migrate"
    LET_GO = "let-go"


class InvalidTransition(Exception):
    """The event cannot happen in this status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The part of a run that its life changes."""

    status: RunStatus = RunStatus.READY
    attempt: int = 1
    node: str | None = None
    """Whose executor has, or had, this run's containers; None: whoever has room may take it."""
    attempt_started_at: Instant | None = None
    """When this attempt's container started; None: it has not."""
    timeout_secs: int = 0
    """0: no limit."""
    deadline_at: Instant | None = None
    """Counts from the first start, over reboots and their kin, anew from a resurrection; None: no limit, no start."""
    kill_at: Instant | None = None
    """When a stopping run is ended by force."""
    is_graceful: bool = False
    """The Actor was asked to leave by events before it is ended."""
    migrate_at: Instant | None = None
    """When a run that was told to migrate is ended on its node; None: it was not told."""
    is_leaving: bool = False
    """It was told to migrate and is ready for it: however it ends now, it goes on elsewhere."""
    finished_at: Instant | None = None
    exit_code: int | None = None
    status_message: str | None = None
    is_status_message_terminal: bool | None = None
    active_millis: int = 0
    """How long the containers of earlier attempts ran, together."""
    reboot_count: int = 0
    resurrect_count: int = 0
    migration_count: int = 0
    restart_on_error: bool = False
    restart_count: int = 0
    restarts: tuple[Instant, ...] = ()
    """When it was restarted last, RESTARTS_MAX times at the most."""

    def __post_init__(self) -> None:
        assert (self.status in TERMINAL) == (self.finished_at is not None), self
        assert (self.status in STOPPING) <= (self.kill_at is not None), self
        assert (self.status is RunStatus.READY) <= (self.attempt_started_at is None), self
        assert (self.migrate_at is not None) <= (self.status is RunStatus.RUNNING), self

    def active_millis_at(self, now: Instant) -> int:
        """How long containers of this run were running until now, without the time between attempts."""
        if self.attempt_started_at is None:
            return self.active_millis
        until = now if self.finished_at is None else self.finished_at
        return self.active_millis + max(until - self.attempt_started_at, 0)

    def may_restart(self, now: Instant) -> bool:
        """Whether a failure is answered by another attempt: not the fourth within a minute."""
        recent = [at for at in self.restarts if at.secs_until(now) < RESTARTS_WINDOW_SECS]
        return self.restart_on_error and len(recent) < RESTARTS_MAX


_LIVE = frozenset({RunStatus.READY, RunStatus.RUNNING, RunStatus.TIMING_OUT, RunStatus.ABORTING})
ALLOWED: dict[Event, frozenset[RunStatus]] = {
    Event.STARTED: _LIVE,
    Event.START_FAILED: _LIVE,
    Event.EXITED: _LIVE,
    Event.LOST: _LIVE,
    Event.NODE_LOST: _LIVE,
    Event.DEADLINE: frozenset({RunStatus.RUNNING}),
    Event.ABORT: frozenset({RunStatus.READY, RunStatus.RUNNING, RunStatus.TIMING_OUT}),
    Event.ABORT_GRACEFULLY: frozenset({RunStatus.READY, RunStatus.RUNNING, RunStatus.TIMING_OUT}),
    Event.REBOOT: frozenset({RunStatus.RUNNING}),
    Event.METAMORPH: frozenset({RunStatus.RUNNING}),
    Event.RESURRECT: TERMINAL,
    Event.MIGRATE: frozenset({RunStatus.RUNNING}),
    Event.LET_GO: frozenset({RunStatus.READY, RunStatus.RUNNING}),
}
"""From which statuses an event is possible."""


def step(life: Life, event: Event, now: Instant, seen: Container | None = None) -> Life:
    """The run after an event. Raises InvalidTransition."""
    if life.status not in ALLOWED[event]:
        raise InvalidTransition(f"{event} in {life.status}")
    match event:
        case Event.STARTED:
            return _started(life, (seen and seen.started_at) or now)
        case Event.DEADLINE:
            kill_at = now.plus(secs=TIMING_OUT_SECS)
            return replace(life, status=RunStatus.TIMING_OUT, kill_at=kill_at, migrate_at=None)
        case Event.MIGRATE:
            return replace(life, migrate_at=life.migrate_at or now.plus(secs=MIGRATION_SECS))
        case Event.LET_GO:  # another attempt: a call to start this one may still be on its way, so its name is buried
            has_moved = life.status is RunStatus.RUNNING  # one that never started leaves nothing
            return _next_attempt(life, now, migration_count=life.migration_count + has_moved)
        case Event.EXITED | Event.LOST | Event.NODE_LOST | Event.START_FAILED:
            return _ended(life, event, now, seen)
        case _:
            return _asked(life, event, now)


def _asked(life: Life, event: Event, now: Instant) -> Life:
    """What callers ask for."""
    match event:
        case Event.ABORT:
            return replace(life, status=RunStatus.ABORTING, kill_at=now, is_graceful=False, migrate_at=None)
        case Event.ABORT_GRACEFULLY:
            kill_at = now.plus(secs=GRACEFUL_ABORT_SECS)  # also beyond its deadline, once
            return replace(life, status=RunStatus.ABORTING, kill_at=kill_at, is_graceful=True, migrate_at=None)
        case Event.REBOOT if life.migrate_at is not None:  # SDKs say so that they are ready
            return replace(life, migrate_at=min(life.migrate_at, now), is_leaving=True)
        case Event.REBOOT:
            return _next_attempt(life, now, reboot_count=life.reboot_count + 1)
        case Event.METAMORPH:
            return _next_attempt(life, now)
        case _:
            return _resurrected(life, now)


def _next_attempt(life: Life, now: Instant, **changes: Any) -> Life:
    return replace(
        life,
        attempt=life.attempt + 1,
        attempt_started_at=None,
        active_millis=life.active_millis_at(now),
        migrate_at=None,
        is_leaving=False,
        **changes,
    )


def _resurrected(life: Life, now: Instant) -> Life:
    """Back to the start, on the same storages: what was said of its end is forgotten, and time counts anew."""
    return _next_attempt(
        life,
        now,
        status=RunStatus.READY,
        node=None,
        deadline_at=None,
        is_graceful=False,
        finished_at=None,
        exit_code=None,
        status_message=None,
        is_status_message_terminal=None,
        resurrect_count=life.resurrect_count + 1,
        restarts=(),
    )


def _started(life: Life, at: Instant) -> Life:
    deadline = life.deadline_at
    if deadline is None and life.timeout_secs:
        deadline = at.plus(secs=life.timeout_secs)
    status = RunStatus.RUNNING if life.status is RunStatus.READY else life.status
    return replace(life, status=status, attempt_started_at=life.attempt_started_at or at, deadline_at=deadline)


def _ended(life: Life, event: Event, now: Instant, seen: Container | None) -> Life:
    exit_code = seen.exit_code if seen is not None else None
    finished_at = Instant(max((seen and seen.finished_at) or now, life.attempt_started_at or 0))
    if life.migrate_at is not None and _is_moved(life, event, finished_at, seen):
        return _next_attempt(life, finished_at, node=None, migration_count=life.migration_count + 1)
    match life.status:
        case RunStatus.ABORTING:
            status, message = RunStatus.ABORTED, "Actor was aborted"
        case RunStatus.TIMING_OUT:
            status, message = RunStatus.TIMED_OUT, f"Actor timed out after {life.timeout_secs} seconds"
        case _ if event is Event.EXITED and exit_code == 0:
            status, message = RunStatus.SUCCEEDED, "Actor succeeded with exit code 0"
        case _ if event in (Event.EXITED, Event.LOST) and life.may_restart(now):
            return _restarted(life, now, finished_at)
        case _:
            status, message = RunStatus.FAILED, _failure(event, seen)
    terminal = True if status is RunStatus.ABORTED else life.is_status_message_terminal
    has_own = bool(life.status_message)
    return replace(
        life,
        status=status,
        finished_at=finished_at,
        kill_at=None,
        migrate_at=None,
        exit_code=exit_code,
        status_message=life.status_message if has_own else message,
        is_status_message_terminal=life.is_status_message_terminal if has_own else terminal,
    )


def _is_moved(life: Life, event: Event, finished_at: Instant, seen: Container | None) -> bool:
    """Whether a run that was told to migrate was ended for that. One that has ended by itself has ended, also late."""
    assert life.migrate_at is not None
    if event is not Event.EXITED or finished_at < life.migrate_at:
        return False
    return life.is_leaving or seen is None or seen.cause in (Cause.KILLED, Cause.VANISHED)


def _restarted(life: Life, now: Instant, finished_at: Instant) -> Life:
    node = None if life.migrate_at is not None else life.node
    if life.is_status_message_terminal:  # it was about an end that is none
        life = replace(life, status_message=None, is_status_message_terminal=None)
    restarts = (*life.restarts, now)[-RESTARTS_MAX:]
    return _next_attempt(life, finished_at, node=node, restart_count=life.restart_count + 1, restarts=restarts)


def _failure(event: Event, seen: Container | None) -> str:
    if event is Event.NODE_LOST:
        return "Actor run failed: the machine it ran on was not heard of for an hour"
    if event is Event.LOST:
        return "Actor run failed: its container was lost, most likely because the machine or its keeper was stopped"
    cause, code = (seen.cause, seen.exit_code) if seen is not None else (None, None)
    match cause:
        case Cause.OUT_OF_MEMORY:
            return "Actor run failed: it needed more memory than its limit; start it with more memory"
        case Cause.OUT_OF_DISK:
            return "Actor run failed: it wrote more than its disk limit, which is twice the memory"
        case Cause.NOT_STARTED:
            why = (seen and seen.message) or "its container could not be made"
            return f"Actor run failed to start: {why.removesuffix('.')}"
        case Cause.VANISHED:
            return "Actor run failed: its container was lost, most likely because its keeper process was killed"
        case _ if code is None:
            return "Actor run failed: its process was killed by a signal"
        case _:
            return f"Actor failed with exit code {code}"


class Act(StrEnum):
    """What the supervisor does with a container now."""

    WAIT = "wait"
    START = "start"
    STOP = "stop"
    SPARE = "spare"  # let it stay beyond its deadline, for a graceful abort
    KILL = "kill"
    RECORD = "record"  # save the events; nothing to do outside
    RELEASE = "release"  # let go of a run that cannot be started here any more, so that another node takes it
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to save and then what to do."""

    act: Act
    events: tuple[Event, ...] = ()


def decide(
    life: Life, seen: Container | None, now: Instant, *, older_there: bool, is_draining: bool = False
) -> Decision:
    """What follows for a live run from what a survey saw of its attempt's container.

    ``older_there``: a container of an earlier attempt has not been put away yet. ``is_draining``: nothing starts on
    this node any more, and what runs is to leave it.
    """
    if seen is not None and seen.phase is Phase.EXITED:
        return Decision(Act.RECORD, _events_of_end(life, seen))
    if life.status is RunStatus.RUNNING and life.deadline_at is not None and now >= life.deadline_at:
        return Decision(Act.STOP, (Event.DEADLINE,))
    if seen is None and life.attempt_started_at is not None:
        return Decision(Act.RECORD, (Event.LOST,))
    if life.status in STOPPING:
        return _decide_stopping(life, seen, now, older_there=older_there)
    if seen is not None and seen.phase is Phase.RUNNING:
        return _decide_running(life, now, is_draining=is_draining)
    if older_there:
        return Decision(Act.WAIT)
    return Decision(Act.RELEASE, (Event.LET_GO,)) if is_draining and seen is None else Decision(Act.START)


def _decide_running(life: Life, now: Instant, *, is_draining: bool) -> Decision:
    if life.attempt_started_at is None:
        return Decision(Act.RECORD, (Event.STARTED,))
    if life.migrate_at is not None:
        return Decision(Act.KILL if now >= life.migrate_at else Act.WAIT)
    return Decision(Act.RECORD, (Event.MIGRATE,)) if is_draining else Decision(Act.WAIT)


def _decide_stopping(life: Life, seen: Container | None, now: Instant, *, older_there: bool) -> Decision:
    if seen is None:
        return Decision(Act.WAIT) if older_there else Decision(Act.RECORD, (Event.EXITED,))
    if seen.phase is Phase.CREATED:
        return Decision(Act.KILL)
    if life.attempt_started_at is None:
        return Decision(Act.RECORD, (Event.STARTED,))
    assert life.kill_at is not None
    goes_on = Act.SPARE if life.is_graceful and life.kill_at > (life.deadline_at or life.kill_at) else Act.WAIT
    return Decision(Act.KILL if now >= life.kill_at else goes_on)


def _events_of_end(life: Life, seen: Container) -> tuple[Event, ...]:
    end = Event.START_FAILED if seen.cause is Cause.NOT_STARTED else Event.EXITED
    before = () if life.attempt_started_at is not None or seen.started_at is None else (Event.STARTED,)
    overdue = life.status in (RunStatus.READY, RunStatus.RUNNING) and seen.cause is Cause.DEADLINE
    return (*before, *((Event.DEADLINE,) if overdue else ()), end)


def container_name(run_id: str, attempt: int) -> str:
    return f"{run_id}-{attempt}"


def run_of(container: str) -> tuple[str, int]:
    """The run and attempt a container's name says."""
    run_id, _, attempt = container.rpartition("-")
    return run_id, int(attempt)
