"""The only SQL about tasks. Changes are compare-and-sets on the revision; the count of runs is added up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from actorium.database import Row, Tx
from actorium.kernel.errors import StaleWrite
from actorium.kernel.instant import Instant
from actorium.kernel.structs import decode, encode
from actorium.tasks.row import ListedTask, TaskDocument, TaskRow

_COLUMNS = (
    "tasks.id, tasks.owner_id, tasks.actor_id, tasks.name, tasks.created_at, tasks.modified_at, tasks.total_runs,"
    " tasks.created_by_run, tasks.revision, tasks.document, users.username"
)
_TASK = f"SELECT {_COLUMNS}, tasks.input FROM tasks JOIN users ON users.id = tasks.owner_id"
_LISTED = (
    f"SELECT {_COLUMNS}, NULL AS input, actors.name AS actor_name, actor_owners.username AS actor_username FROM tasks"
    " JOIN users ON users.id = tasks.owner_id LEFT JOIN actors ON actors.id = tasks.actor_id"
    " LEFT JOIN users AS actor_owners ON actor_owners.id = actors.owner_id"
)


def add(tx: Tx, row: TaskRow) -> bool:
    """Store a new task; False when its owner has one of this name."""
    return bool(
        tx.run(
            "INSERT INTO tasks (id, owner_id, actor_id, name, created_at, modified_at, total_runs, created_by_run,"
            " revision, document, input) VALUES (:id, :owner_id, :actor_id, :name, :created_at, :modified_at, 0,"
            " :created_by_run, 1, :document, :input) ON CONFLICT DO NOTHING",
            id=row.id,
            owner_id=row.owner_id,
            actor_id=row.actor_id,
            created_at=int(row.created_at),
            created_by_run=row.created_by_run,
            **_changing(row),
        )
    )


def save(tx: Tx, row: TaskRow) -> TaskRow:
    """Store a changed task; the row with its new revision. Raises StaleWrite."""
    changed = tx.run(
        "UPDATE tasks SET name = :name, modified_at = :modified_at, document = :document, input = :input,"
        " revision = revision + 1 WHERE id = :id AND revision = :revision",
        id=row.id,
        revision=row.revision,
        **_changing(row),
    )
    if changed != 1:
        raise StaleWrite
    return replace(row, revision=row.revision + 1)


def find(tx: Tx, task_id: str) -> TaskRow | None:
    row = tx.one(f"{_TASK} WHERE tasks.id = :id", id=task_id)
    return None if row is None else _task(row)


def find_named(tx: Tx, owner_id: str, name: str) -> TaskRow | None:
    row = tx.one(f"{_TASK} WHERE tasks.owner_id = :owner_id AND tasks.name = :name", owner_id=owner_id, name=name)
    return None if row is None else _task(row)


def count_of(tx: Tx, owner_id: str) -> int:
    row = tx.one("SELECT COUNT(*) AS total FROM tasks WHERE owner_id = :owner_id", owner_id=owner_id)
    assert row is not None
    return int(row["total"])


def page(tx: Tx, owner_id: str, *, offset: int, limit: int, desc: bool) -> tuple[int, list[ListedTask]]:
    """How many tasks a user has, and one page of them by creation."""
    direction = "DESC" if desc else "ASC"
    rows = tx.all(
        f"{_LISTED} WHERE tasks.owner_id = :owner_id"
        f" ORDER BY tasks.created_at {direction}, tasks.id {direction} LIMIT :limit OFFSET :offset",
        owner_id=owner_id,
        limit=limit,
        offset=offset,
    )
    listed = [ListedTask(_task(row), row["actor_name"], row["actor_username"]) for row in rows]
    return count_of(tx, owner_id), listed


def delete(tx: Tx, row: TaskRow) -> None:
    """Forget a task. Raises StaleWrite."""
    if tx.run("DELETE FROM tasks WHERE id = :id AND revision = :revision", id=row.id, revision=row.revision) != 1:
        raise StaleWrite


def count_run(tx: Tx, task_id: str) -> bool:
    """Whether the task is there to be counted for."""
    return tx.run("UPDATE tasks SET total_runs = total_runs + 1 WHERE id = :id", id=task_id) == 1


def _changing(row: TaskRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "modified_at": int(row.modified_at),
        "document": encode(row.document).decode(),
        "input": row.input,
    }


def _task(row: Row) -> TaskRow:
    return TaskRow(
        id=row["id"],
        owner_id=row["owner_id"],
        username=row["username"],
        actor_id=row["actor_id"],
        name=row["name"],
        created_at=Instant(row["created_at"]),
        modified_at=Instant(row["modified_at"]),
        total_runs=row["total_runs"],
        created_by_run=row["created_by_run"],
        revision=row["revision"],
        document=decode(row["document"], TaskDocument),
        input=row["input"],
    )
