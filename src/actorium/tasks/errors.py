"""What can be wrong with a call about tasks."""

from __future__ import annotations

from actorium.kernel.errors import Conflict, Forbidden, NotFound, RateLimitExceeded


class TaskNotFound(NotFound):
    """Actor task was not found."""


class TaskNameNotUnique(Conflict):
    """You already have an Actor task of this name; choose another name."""

    type = "actor-task-name-not-unique"


class TooManyTasks(Forbidden):
    """You have reached the highest number of Actor tasks; delete some first."""

    type = "too-many-actor-tasks"


class InputUpdateCollision(RateLimitExceeded):
    """Somebody else is changing the input of this task at this moment. Please try again."""

    type = "input-update-collision"
