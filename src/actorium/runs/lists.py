"""The SQL of lists of runs. What they cost does not grow with the number of runs that have finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.runs.lifecycle import RunStatus
from actorium.runs.model import RunOrigin
from actorium.runs.row import Run

ALL = ""
"""Stands in the counts for every run of an owner, whatever its Actor and task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which runs of an owner a list shows."""

    owner_id: str
    actor_id: str | None = None
    task_id: str | None = None
    statuses: tuple[RunStatus, ...] = ()
    origin: RunOrigin | None = None
    started_after: Instant | None = None
    started_before: Instant | None = None

    def where(self) -> tuple[str, dict[str, Any]]:
        """The terms but those about statuses, and their values."""
        terms = ["owner_id = :owner_id"]
        values: dict[str, Any] = {"owner_id": self.owner_id}
        pairs: Mapping[str, Any] = {
            "actor_id = :actor_id": self.actor_id,
            "task_id = :task_id": self.task_id,
            "origin = :origin": self.origin,
            "started_at >= :started_after": self.started_after,
            "started_at <= :started_before": self.started_before,
        }
        for term, value in pairs.items():
            if value is not None:
                terms.append(term)
                values[term.rpartition(":")[2]] = str(value) if isinstance(value, str) else int(value)
        return " AND ".join(terms), values

    def wanted_statuses(self) -> dict[str, str]:
        """The statuses by the name of their parameter; none for all."""
        chosen = dict.fromkeys(self.statuses)
        if len(chosen) == len(RunStatus):
            return {}
        return {f"status_{index}": str(status) for index, status in enumerate(chosen)}


def total(tx: Tx, wanted: Filter) -> int:
    """How many runs fit: the finished ones were counted when they finished, live ones and those of a time are now."""
    where, values = wanted.where()
    statuses = wanted.wanted_statuses()
    terms = [f"status IN ({', '.join(':' + name for name in statuses)})"] if statuses else []
    if not _is_counted(wanted):
        found = f"SELECT COUNT(*) AS total FROM runs WHERE {' AND '.join([where, *terms])}"
        row = tx.one(found, **values, **statuses)
    else:
        finished = " AND ".join(["owner_id = :owner_id", "within = :within", *terms])
        # In a CASE, so that no planner finds these terms and takes an index in which finished runs are.
        fits = " AND ".join([*(f"{name} = :{name}" for name in ("actor_id", "task_id") if name in values), *terms])
        row = tx.one(
            f"SELECT (SELECT COALESCE(SUM(amount), 0) FROM run_counts WHERE {finished})"
            f" + (SELECT COALESCE(SUM(CASE WHEN {fits or '1 = 1'} THEN 1 ELSE 0 END), 0) FROM runs"
            " WHERE finished_at IS NULL AND owner_id = :owner_id) AS total",
            **values,
            **statuses,
            within=wanted.task_id or wanted.actor_id or ALL,
        )
    assert row is not None
    return int(row["total"])


def rows(tx: Tx, columns: str, wanted: Filter, *, offset: int, limit: int, desc: bool) -> list[Row]:
    """One page of runs by start."""
    where, values = wanted.where()
    statuses = wanted.wanted_statuses()
    direction = "DESC" if desc else "ASC"
    order = f"ORDER BY started_at {direction}, id {direction}"
    if len(statuses) <= 1:
        where += "".join(f" AND status = :{name}" for name in statuses)
        found = f"SELECT {columns} FROM runs WHERE {where} {order} LIMIT :limit OFFSET :offset"
    else:  # each status is a range of an index that is in order; several at once are not
        parts = [
            f"SELECT * FROM (SELECT id, started_at FROM runs WHERE {where} AND status = :{name} {order} LIMIT :depth)"
            f" AS of_{name}"
            for name in statuses
        ]
        chosen = f"SELECT id FROM ({' UNION ALL '.join(parts)}) AS found {order} LIMIT :limit OFFSET :offset"
        found = f"SELECT {columns} FROM runs WHERE id IN ({chosen}) {order}"
        values["depth"] = offset + limit
    return tx.all(found, **values, **statuses, limit=limit, offset=offset)


def count(tx: Tx, before: Run | None, after: Run | None) -> None:
    """Follow a change of a run in the counts. None: there was, or is, no such run."""
    changes = Counter(_counted(after))
    changes.subtract(_counted(before))
    moved = [
        {"owner_id": owner_id, "within": within, "status": status, "amount": amount}
        for (owner_id, within, status), amount in sorted(changes.items())
        if amount
    ]
    if moved:
        tx.many(
            "INSERT INTO run_counts (owner_id, within, status, amount) VALUES (:owner_id, :within, :status, :amount)"
            " ON CONFLICT (owner_id, within, status) DO UPDATE SET amount = run_counts.amount + excluded.amount",
            moved,
        )


def _counted(run: Run | None) -> list[tuple[str, str, str]]:
    """Where a run is counted: nowhere before it has finished."""
    if run is None or run.life.finished_at is None:
        return []
    return [
        (run.owner_id, within, str(run.status)) for within in (ALL, run.actor_id, run.task_id) if within is not None
    ]


def _is_counted(wanted: Filter) -> bool:
    others = (wanted.origin, wanted.started_after, wanted.started_before)
    return all(one is None for one in others) and (wanted.actor_id is None or wanted.task_id is None)
