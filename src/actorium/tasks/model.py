"""Tasks on the wire."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from actorium.actors.model import Text
from actorium.kernel.instant import Instant
from actorium.kernel.limits import TASK_FIELDS_SHOWN_MAX
from actorium.kernel.structs import UNSET, UnsetType, Wire

Input = dict[str, msgspec.Raw]
"""A JSON object whose values stay as they were sent."""


class TaskOptions(Wire, kw_only=True, frozen=True):
    """What a task's runs get where their caller says nothing. Absent: what the Actor says."""

    build: str | None | UnsetType = UNSET
    timeout_secs: int | None | UnsetType = UNSET
    memory_mbytes: int | None | UnsetType = UNSET
    max_items: int | None | UnsetType = UNSET
    max_total_charge_usd: float | None | UnsetType = UNSET
    restart_on_error: bool | None | UnsetType = UNSET


class TaskStandby(Wire, kw_only=True, frozen=True):
    """What a task changes of its Actor's Standby."""

    is_enabled: bool | None | UnsetType = UNSET
    desired_requests_per_actor_run: int | None | UnsetType = UNSET
    max_requests_per_actor_run: int | None | UnsetType = UNSET
    idle_timeout_secs: int | None | UnsetType = UNSET
    build: str | None | UnsetType = UNSET
    memory_mbytes: int | None | UnsetType = UNSET
    disable_standby_fields_override: bool | None | UnsetType = UNSET
    should_pass_actor_input: bool | None | UnsetType = UNSET


class WritePublicConfig(Wire, kw_only=True, frozen=True):
    """What a page about the task would show. When it was published is the server's to say."""

    seo_title: Text | None | UnsetType = UNSET
    seo_description: Text | None | UnsetType = UNSET
    categorization: Any = UNSET
    input_schema_fields: Annotated[list[Text], Meta(max_length=TASK_FIELDS_SHOWN_MAX)] | None | UnsetType = UNSET
    dataset_name: Text | None | UnsetType = UNSET
    dataset_view: Text | None | UnsetType = UNSET


class PublicConfig(WritePublicConfig, kw_only=True, frozen=True):
    """The same with the moment of publication; None: the task is not published."""

    published_at: Instant | None = None


class TaskStats(Wire, kw_only=True, frozen=True):
    """What was counted."""

    total_runs: int


class TaskShort(Wire, kw_only=True, frozen=True):
    """A task in a list. The Actor has no name if it is gone."""

    id: str
    user_id: str
    username: str
    act_id: str
    act_name: str | None
    act_username: str | None
    name: str
    title: str | None
    created_at: Instant
    modified_at: Instant
    stats: TaskStats


class TaskView(Wire, kw_only=True, frozen=True):
    """The whole task object."""

    id: str
    user_id: str
    username: str
    act_id: str
    name: str
    title: str | None
    description: str | None
    created_at: Instant
    modified_at: Instant
    stats: TaskStats
    options: TaskOptions | None
    input: msgspec.Raw | None
    actor_standby: TaskStandby | None
    is_public: bool
    public_config: PublicConfig | None


class _WriteTask(Wire, kw_only=True, frozen=True):
    """What creating and updating have in common. Absent stays; null is none."""

    options: TaskOptions | None | UnsetType = UNSET
    input: Input | None | UnsetType = UNSET
    title: Text | None | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    actor_standby: TaskStandby | None | UnsetType = UNSET
    is_public: bool | None | UnsetType = UNSET
    public_config: WritePublicConfig | None | UnsetType = UNSET


class CreateTask(_WriteTask, kw_only=True, frozen=True):
    """A new task."""

    act_id: str
    """The Actor, by id or by name."""
    name: str | None = None


class UpdateTask(_WriteTask, kw_only=True, frozen=True):
    """What to change of a task."""

    name: str | UnsetType = UNSET
