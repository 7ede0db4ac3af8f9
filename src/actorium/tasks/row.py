"""Tasks as they are stored: columns for what SQL filters and sorts, one JSON document for the rest, the input apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire
from actorium.tasks.model import PublicConfig, TaskOptions, TaskStandby


class TaskDocument(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """The part of a task that no query filters by."""

    title: str | None = None
    description: str | None = None
    options: TaskOptions | None = None
    standby: TaskStandby | None = None
    public_config: PublicConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task."""

    id: str
    owner_id: str
    username: str
    """The owner's name."""
    actor_id: str
    name: str
    created_at: Instant
    modified_at: Instant
    total_runs: int = 0
    created_by_run: str | None = None
    revision: int = 1
    document: TaskDocument = field(repr=False)
    input: str | None = field(default=None, repr=False)
    """The JSON text of an object; None: there is none, or it was not read."""


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task without its input, and its Actor's names if that is still there."""

    task: TaskRow
    actor_name: str | None
    actor_username: str | None
