"""From rows to what callers see."""

from __future__ import annotations

import msgspec

from actorium.tasks.model import TaskShort, TaskStats, TaskView
from actorium.tasks.row import ListedTask, TaskRow


def short_view(listed: ListedTask) -> TaskShort:
    """A task in a list."""
    row = listed.task
    return TaskShort(
        id=row.id,
        user_id=row.owner_id,
        username=row.username,
        act_id=row.actor_id,
        act_name=listed.actor_name,
        act_username=listed.actor_username,
        name=row.name,
        title=row.document.title,
        created_at=row.created_at,
        modified_at=row.modified_at,
        stats=TaskStats(total_runs=row.total_runs),
    )


def task_view(row: TaskRow) -> TaskView:
    """The whole task."""
    document, config = row.document, row.document.public_config
    return TaskView(
        id=row.id,
        user_id=row.owner_id,
        username=row.username,
        act_id=row.actor_id,
        name=row.name,
        title=document.title,
        description=document.description,
        created_at=row.created_at,
        modified_at=row.modified_at,
        stats=TaskStats(total_runs=row.total_runs),
        options=document.options,
        input=None if row.input is None else msgspec.Raw(row.input.encode()),
        actor_standby=document.standby,
        is_public=config is not None and config.published_at is not None,
        public_config=config,
    )
