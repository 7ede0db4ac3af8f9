"""The life of a build: which status follows which event, and what the builder does next. Pure functions.

    READY ──claimed──▶ RUNNING ──succeeded──▶ SUCCEEDED
      │                  │  └────failed, lost─▶ FAILED
      │                  ├──deadline──▶ TIMING-OUT ──stopped──▶ TIMED-OUT
      │                  └──abort─────▶ ABORTING ────stopped──▶ ABORTED
      └────abort───────────────────────────────────────────────▶ ABORTED

A build whose server died is claimed again as its next attempt: building the same sources twice does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from actorium.kernel.instant import Instant
from actorium.kernel.limits import BUILD_ATTEMPTS_MAX, BUILD_TIMEOUT_SECS


class BuildStatus(StrEnum):
    """The API's eight."""

    READY = "READY"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMING_OUT = "TIMING-OUT"
    TIMED_OUT = "TIMED-OUT"
    ABORTING = "ABORTING"
    ABORTED = "ABORTED"


TERMINAL = frozenset({BuildStatus.SUCCEEDED, BuildStatus.FAILED, BuildStatus.TIMED_OUT, BuildStatus.ABORTED})
STOPPING = frozenset({BuildStatus.TIMING_OUT, BuildStatus.ABORTING})


class Event(StrEnum):
    """What happened to a build."""

    CLAIMED = "claimed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    DEADLINE = "deadline"
    ABORT = "abort"
    STOPPED = "stopped"


class InvalidTransition(Exception):
    """The event cannot happen in this status."""


NEXT: dict[tuple[BuildStatus, Event], BuildStatus] = {
    (BuildStatus.READY, Event.CLAIMED): BuildStatus.RUNNING,
    (BuildStatus.READY, Event.ABORT): BuildStatus.ABORTED,
    (BuildStatus.RUNNING, Event.CLAIMED): BuildStatus.RUNNING,
    (BuildStatus.RUNNING, Event.SUCCEEDED): BuildStatus.SUCCEEDED,
    (BuildStatus.RUNNING, Event.FAILED): BuildStatus.FAILED,
    (BuildStatus.RUNNING, Event.LOST): BuildStatus.FAILED,
    (BuildStatus.RUNNING, Event.DEADLINE): BuildStatus.TIMING_OUT,
    (BuildStatus.RUNNING, Event.ABORT): BuildStatus.ABORTING,
    (BuildStatus.TIMING_OUT, Event.STOPPED): BuildStatus.TIMED_OUT,
    (BuildStatus.TIMING_OUT, Event.ABORT): BuildStatus.ABORTING,
    (BuildStatus.ABORTING, Event.STOPPED): BuildStatus.ABORTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The part of a build that its life changes."""

    status: BuildStatus = BuildStatus.READY
    attempt: int = 0
    """How often it was claimed."""
    attempt_started_at: Instant | None = None
    finished_at: Instant | None = None

    def __post_init__(self) -> None:
        assert (self.status in TERMINAL) == (self.finished_at is not None), self
        assert (self.attempt == 0) == (self.attempt_started_at is None), self
        assert (self.status is BuildStatus.READY) <= (self.attempt == 0), self

    @property
    def deadline(self) -> Instant | None:
        """When the attempt has had its time; None before the first."""
        started = self.attempt_started_at
        return None if started is None else started.plus(secs=BUILD_TIMEOUT_SECS)

    def active_millis_at(self, now: Instant) -> int:
        """How long the last attempt has been running."""
        if self.attempt_started_at is None:
            return 0
        return max((now if self.finished_at is None else self.finished_at) - self.attempt_started_at, 0)


def possible(life: Life, event: Event) -> bool:
    """Whether the event can happen now."""
    return (life.status, event) in NEXT


def step(life: Life, event: Event, now: Instant) -> Life:
    """The build after an event. Raises InvalidTransition."""
    status = NEXT.get((life.status, event))
    if status is None:
        raise InvalidTransition(f"{event} in {life.status}")
    if event is Event.CLAIMED:
        return replace(life, status=status, attempt=life.attempt + 1, attempt_started_at=now)
    return replace(life, status=status, finished_at=now if status in TERMINAL else None)


class Holder(StrEnum):
    """Who works on a build."""

    ME = "me"
    OTHER = "other"  # a server that renews its claim
    NOBODY = "nobody"


class Act(StrEnum):
    """What the builder does with a build now."""

    WAIT = "wait"
    CLAIM = "claim"
    CANCEL = "cancel"
    RECORD = "record"


def decide(life: Life, holder: Holder, now: Instant) -> tuple[Act, Event | None]:
    """What to do, and what to record first."""
    if holder is Holder.OTHER or life.status in TERMINAL:
        return Act.WAIT, None
    if life.status is BuildStatus.READY:
        return Act.CLAIM, Event.CLAIMED
    if life.status in STOPPING:
        return (Act.CANCEL, None) if holder is Holder.ME else (Act.RECORD, Event.STOPPED)
    if holder is Holder.NOBODY:
        return (Act.RECORD, Event.LOST) if life.attempt >= BUILD_ATTEMPTS_MAX else (Act.CLAIM, Event.CLAIMED)
    deadline = life.deadline
    assert deadline is not None
    return (Act.CANCEL, Event.DEADLINE) if now >= deadline else (Act.WAIT, None)
