"""The only SQL about runs. Every change of a run is a compare-and-set on its revision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from actorium.charging.service import forget_in as forget_charges_in
from actorium.database import Row, Tx
from actorium.kernel.errors import StaleWrite
from actorium.kernel.instant import Instant
from actorium.kernel.structs import decode, encode
from actorium.runs import lists
from actorium.runs.lifecycle import Life, RunStatus
from actorium.runs.lists import Filter
from actorium.runs.model import RunMeta, RunOrigin
from actorium.runs.row import Document, Run, instant
from actorium.users.quotas import Load

_COLUMNS = (
    "id, owner_id, actor_id, task_id, build_id, status, origin, started_at, finished_at, attempt, revision,"
    " web_port, node, created_by_run, memory_mbytes, document"
)


def add(tx: Tx, run: Run) -> None:
    tx.run(
        f"INSERT INTO runs ({_COLUMNS}) VALUES (:id, :owner_id, :actor_id, :task_id, :build_id, :status, :origin,"
        " :started_at, :finished_at, :attempt, :revision, :web_port, :node, :created_by_run, :memory_mbytes,"
        " :document)",
        **_values(run),
    )
    lists.count(tx, None, run)


def save(tx: Tx, run: Run, *, before: Run) -> Run:
    """Store a changed run; the run with its new revision. Raises StaleWrite."""
    values = _values(run)
    changed = tx.run(
        "UPDATE runs SET status = :status, finished_at = :finished_at, attempt = :attempt, build_id = :build_id,"
        " web_port = :web_port, node = :node, memory_mbytes = :memory_mbytes, document = :document,"
        " revision = :revision + 1"
        " WHERE id = :id AND revision = :revision",
        **{key: values[key] for key in _SAVED},
    )
    if changed != 1:
        raise StaleWrite
    lists.count(tx, before, run)
    return replace(run, revision=run.revision + 1)


_SAVED = (
    *("id", "status", "finished_at", "attempt", "build_id", "web_port", "node", "memory_mbytes", "document"),
    "revision",
)


def find(tx: Tx, run_id: str) -> Run | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM runs WHERE id = :id", id=run_id)
    return None if row is None else _run(row)


def live(tx: Tx, known: Mapping[str, Run] | None = None) -> list[Run]:
    """Every run that has not ended, oldest first. Those ``known`` at their revision are not read again."""
    known = known or {}
    rows = tx.all("SELECT id, revision FROM runs WHERE finished_at IS NULL ORDER BY started_at, id")
    runs = []
    for row in rows:
        run = known.get(row["id"])
        if run is None or run.revision != row["revision"]:
            run = find(tx, row["id"])
        if run is not None:
            runs.append(run)
    return runs


def load(tx: Tx, owner_id: str) -> Load:
    """What a user's runs that have not ended have together: one range of one index."""
    row = tx.one(
        "SELECT COUNT(*) AS runs, COALESCE(SUM(memory_mbytes), 0) AS memory_mbytes FROM runs"
        " WHERE owner_id = :owner_id AND finished_at IS NULL",
        owner_id=owner_id,
    )
    assert row is not None
    return Load(memory_mbytes=int(row["memory_mbytes"]), runs=row["runs"])


def uses_build(tx: Tx, build_id: str) -> bool:
    return tx.one("SELECT 1 AS used FROM runs WHERE finished_at IS NULL AND build_id = :id", id=build_id) is not None


def delete(tx: Tx, run: Run) -> bool:
    """Delete a run if nobody has changed it since it was read."""
    if tx.run("DELETE FROM runs WHERE id = :id AND revision = :revision", id=run.id, revision=run.revision) == 0:
        return False
    lists.count(tx, run, None)
    tx.run("DELETE FROM run_usage WHERE run_id = :id", id=run.id)
    tx.run("DELETE FROM run_stats WHERE run_id = :id", id=run.id)
    tx.run("DELETE FROM run_secrets WHERE run_id = :id", id=run.id)
    tx.run("DELETE FROM run_spending WHERE run_id = :id", id=run.id)
    forget_charges_in(tx, run.id)
    return True


def exists(tx: Tx, run_id: str) -> bool:
    return tx.one("SELECT 1 AS there FROM runs WHERE id = :id", id=run_id) is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands among those that have ended."""

    finished_at: int
    run_id: str


BEFORE_ALL = Place(-1, "")


def finished(tx: Tx, *, before: Instant, after: Place, limit: int) -> list[Place]:
    """Runs that ended until a moment, those that ended first in front, behind a place."""
    rows = tx.all(
        "SELECT id, finished_at FROM runs WHERE finished_at <= :before AND (finished_at, id) > (:finished_at, :run_id)"
        " ORDER BY finished_at, id LIMIT :limit",
        before=int(before),
        finished_at=after.finished_at,
        run_id=after.run_id,
        limit=limit,
    )
    return [Place(row["finished_at"], row["id"]) for row in rows]


def is_among_newest(tx: Tx, run: Run, count: int) -> bool:
    """Whether fewer than ``count`` runs of the same Actor and starter started after this one."""
    newer = tx.all(
        "SELECT id FROM runs WHERE actor_id = :actor_id AND owner_id = :owner_id"
        " AND (started_at, id) > (:started_at, :id) LIMIT :count",
        actor_id=run.actor_id,
        owner_id=run.owner_id,
        started_at=int(run.started_at),
        id=run.id,
        count=count,
    )
    return len(newer) < count


def page(tx: Tx, wanted: Filter, *, offset: int, limit: int, desc: bool) -> tuple[int, list[Run]]:
    """How many runs fit the filter, and one page of them by start."""
    return lists.total(tx, wanted), [
        _run(row) for row in lists.rows(tx, _COLUMNS, wanted, offset=offset, limit=limit, desc=desc)
    ]


def newest(tx: Tx, wanted: Filter) -> str | None:
    """The id of the run that started last."""
    found = lists.rows(tx, "id", wanted, offset=0, limit=1, desc=True)
    return str(found[0]["id"]) if found else None


def add_usage(tx: Tx, increments: Iterable[tuple[str, str, int]]) -> None:
    """Add (run, usage key, amount) to what the runs used; runs that are gone are skipped."""
    tx.many(
        "INSERT INTO run_usage (run_id, usage, amount) SELECT :run_id, :usage, :amount"
        " WHERE EXISTS (SELECT 1 FROM runs WHERE id = :run_id)"
        " ON CONFLICT (run_id, usage) DO UPDATE SET amount = run_usage.amount + excluded.amount",
        [{"run_id": run_id, "usage": usage, "amount": amount} for run_id, usage, amount in increments],
    )


def usage(tx: Tx, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """What runs used, by run and usage key."""
    found: dict[str, dict[str, int]] = {run_id: {} for run_id in run_ids}
    for run_id in run_ids:
        for row in tx.all("SELECT usage, amount FROM run_usage WHERE run_id = :id", id=run_id):
            found[run_id][row["usage"]] = row["amount"]
    return found


def measured(tx: Tx, run_id: str) -> tuple[int, str, str] | None:
    """The attempt that was measured last, what earlier attempts amount to, and the latest measurement, as JSON."""
    row = tx.one("SELECT attempt, earlier, latest FROM run_stats WHERE run_id = :id", id=run_id)
    return None if row is None else (row["attempt"], row["earlier"], row["latest"])


def save_measured(tx: Tx, run_id: str, *, attempt: int, earlier: str, latest: str) -> None:
    tx.run(
        "INSERT INTO run_stats (run_id, attempt, earlier, latest) VALUES (:id, :attempt, :earlier, :latest)"
        " ON CONFLICT (run_id) DO UPDATE SET attempt = excluded.attempt, earlier = excluded.earlier,"
        " latest = excluded.latest",
        id=run_id,
        attempt=attempt,
        earlier=earlier,
        latest=latest,
    )


_LIFE = (
    "attempt_started_at",
    "deadline_at",
    "kill_at",
    "is_graceful",
    "exit_code",
    "status_message",
    "is_status_message_terminal",
    "migrate_at",
    "is_leaving",
    "active_millis",
    "reboot_count",
    "resurrect_count",
    "migration_count",
    "restart_count",
    "restarts",
)
"""The part of a life that no query filters by: kept in the document."""


def _values(run: Run) -> dict[str, Any]:
    life = run.life
    document = structs.replace(run.document, **{name: _plain(getattr(life, name)) for name in _LIFE})
    return {
        "id": run.id,
        "owner_id": run.owner_id,
        "actor_id": run.actor_id,
        "task_id": run.task_id,
        "build_id": run.build_id,
        "status": str(life.status),
        "origin": str(run.meta.origin),
        "started_at": int(run.started_at),
        "finished_at": _plain(life.finished_at),
        "attempt": life.attempt,
        "revision": run.revision,
        "web_port": run.web_port,
        "node": life.node,
        "created_by_run": run.created_by_run,
        "memory_mbytes": run.options.memory_mbytes,
        "document": encode(document).decode(),
    }


def _run(row: Row) -> Run:
    document = decode(row["document"], Document)
    stored = {name: getattr(document, name) for name in _LIFE}
    for name in ("attempt_started_at", "deadline_at", "kill_at", "migrate_at"):
        stored[name] = instant(stored[name])
    stored["restarts"] = tuple(Instant(at) for at in document.restarts)
    return Run(
        id=row["id"],
        owner_id=row["owner_id"],
        actor_id=row["actor_id"],
        task_id=row["task_id"],
        build_id=row["build_id"],
        meta=RunMeta(origin=RunOrigin(row["origin"]), client_ip=document.client_ip, user_agent=document.user_agent),
        started_at=Instant(row["started_at"]),
        web_port=row["web_port"],
        created_by_run=row["created_by_run"],
        revision=row["revision"],
        life=Life(
            status=RunStatus(row["status"]),
            attempt=row["attempt"],
            node=row["node"],
            restart_on_error=document.options.restart_on_error is True,
            timeout_secs=document.options.timeout_secs,
            finished_at=instant(row["finished_at"]),
            **stored,
        ),
        document=document,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(int(one) for one in value)
    return int(value) if isinstance(value, Instant) else value
