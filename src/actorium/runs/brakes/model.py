"""A brake as a row and on the wire, and money: whole billionths of a USD, so that sums are exact."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire
from actorium.runs.row import Run

NANOS = 1_000_000_000
"""In one USD."""


class Kind(StrEnum):
    """What a brake is on."""

    USER = "USER"
    ACTOR = "ACTOR"
    TASK = "TASK"


class SetBy(StrEnum):
    """Whose brake it is."""

    OPERATOR = "OPERATOR"
    USER = "USER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """At most so much a day for the runs of one user: for all, for those of an Actor, or for those of a task."""

    owner_id: str
    kind: Kind
    subject_id: str
    set_by: SetBy
    limit_nanos: int
    created_at: Instant
    modified_at: Instant
    name: str | None = None
    """How people call the subject: alice, alice/hello; None: it is gone."""

    def holds_for(self, run: Run) -> bool:
        """Whether the run spends from it."""
        return run.owner_id == self.owner_id and self.is_on(run.actor_id, run.task_id)

    def is_on(self, actor_id: str, task_id: str | None) -> bool:
        """Whether the owner's runs of this Actor and task spend from it."""
        match self.kind:
            case Kind.USER:
                return True
            case Kind.ACTOR:
                return self.subject_id == actor_id
            case Kind.TASK:
                return self.subject_id == task_id

    def __str__(self) -> str:
        whose = " (set by the operator)" if self.set_by is SetBy.OPERATOR else ""
        kind = {Kind.USER: "user", Kind.ACTOR: "Actor", Kind.TASK: "task"}[self.kind]
        return f"the brake of {usd(self.limit_nanos)} USD a day on {kind} {self.name or self.subject_id}{whose}"


def subjects(run: Run) -> list[tuple[Kind, str]]:
    """What a run's spending counts for. A run that has metamorphed counts for the Actor that it was started as."""
    found = [(Kind.USER, run.owner_id), (Kind.ACTOR, run.actor_id)]
    return found if run.task_id is None else [*found, (Kind.TASK, run.task_id)]


def usd(nanos: int) -> str:
    """An amount as people write it, exact: 5, 0.0033."""
    text = format(Decimal(nanos).scaleb(-9), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class SetBrake(Wire, kw_only=True, frozen=True):
    """What a brake is set to."""

    limit_usd_per_day: float


class BrakeView(Wire, kw_only=True, frozen=True):
    """One brake and how it stands."""

    kind: Kind
    subject_id: str
    name: str | None
    set_by: SetBy
    limit_usd_per_day: float
    spent_today_usd: float
    reserved_usd: float
    """For what unfinished runs cost until they could be stopped."""
    left_today_usd: float
    """What a start may still reserve; never below 0."""
    created_at: Instant
    modified_at: Instant


class BrakeList(Wire, kw_only=True, frozen=True):
    """All brakes that a user's runs are under."""

    total: int
    day_ends_at: Instant
    """When spending counts from 0 again."""
    items: list[BrakeView]
