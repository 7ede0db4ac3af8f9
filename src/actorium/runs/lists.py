"""The SQL of lists of runs. What they cost does not grow with the number of runs that have finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.runs.lifecycle import RunStatus
from actorium.runs.model import RunOrigin
from actorium.runs.row import Run
from actorium.runs.spans import SPANS, Piece, begin_of, cut

ALL = ""
"""Stands in the counts for every run of an owner, whatever its Actor and task."""
USUAL_PAGES = (1, 5, 10, 20, 25, 50, 100, 1000)
"""Sizes of pages that people, pages and clients ask for: few enough for a statement each."""


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
    """How many runs fit: the finished ones were counted when they finished, by the time of their start; live ones, and
    those of the two minutes in which the time asked for begins and ends, are counted now."""
    where, values = wanted.where()
    statuses = wanted.wanted_statuses()
    terms = [f"status IN ({', '.join(':' + name for name in statuses)})"] if statuses else []
    if wanted.origin is not None or (wanted.actor_id is not None and wanted.task_id is not None):
        found = f"SELECT COUNT(*) AS total FROM runs WHERE {' AND '.join([where, *terms])}"
    else:
        found, values = _from_counts(wanted, terms)
    row = tx.one(found, **values, **statuses)
    assert row is not None
    return int(row["total"])


def _from_counts(wanted: Filter, terms: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The statement that adds up counts, and its values."""
    where, values = replace(wanted, started_after=None, started_before=None).where()
    fits = [*(f"{name} = :{name}" for name in ("actor_id", "task_id") if name in values), *terms]
    values["within"] = wanted.task_id or wanted.actor_id or ALL
    since, last = (None if at is None else int(at) for at in (wanted.started_after, wanted.started_before))
    parts = cut(since, None if last is None else last + 1)
    counted = " AND ".join(["owner_id = :owner_id", "within = :within", *terms])
    found = []
    for number, (span, piece) in enumerate(parts.spans):
        values |= {f"span_{number}": span} | _bounds(f"span_{number}", piece)
        of_time = f"span = :span_{number} AND starts_at >= :span_{number}_since AND starts_at < :span_{number}_until"
        found.append(f"SELECT amount FROM run_counts WHERE {counted} AND {of_time}")
    for number, piece in enumerate(parts.ends):
        values |= _bounds(f"end_{number}", piece)
        of_time = f"started_at >= :end_{number}_since AND started_at < :end_{number}_until"
        found.append(f"SELECT 1 FROM runs WHERE {' AND '.join([where, of_time, *terms])}")
    if parts.ends:
        values |= _bounds("whole", parts.whole)
        fits.append("started_at >= :whole_since AND started_at < :whole_until")
    # In a CASE, so that no planner finds these terms and takes an index in which finished runs are.
    found.append(
        f"SELECT CASE WHEN {' AND '.join(fits) or '1 = 1'} THEN 1 ELSE 0 END FROM runs"
        " WHERE finished_at IS NULL AND owner_id = :owner_id"
    )
    return f"SELECT COALESCE(SUM(amount), 0) AS total FROM ({' UNION ALL '.join(found)}) AS found", values


def _bounds(name: str, piece: Piece) -> dict[str, int]:
    return {f"{name}_since": piece.since, f"{name}_until": piece.until}


def rows(tx: Tx, columns: str, wanted: Filter, *, offset: int, limit: int, desc: bool) -> list[Row]:
    """One page of runs by start."""
    where, values = wanted.where()
    statuses = wanted.wanted_statuses()
    direction = "DESC" if desc else "ASC"
    order = f"ORDER BY started_at {direction}, id {direction}"
    # PostgreSQL keeps the plan of a page whose size it can read; others it plans anew, which takes as long as the rest.
    is_usual = offset == 0 and limit in USUAL_PAGES
    page, part = (f"LIMIT {limit}",) * 2 if is_usual else ("LIMIT :limit OFFSET :offset", "LIMIT :depth")
    if len(statuses) <= 1:
        where += "".join(f" AND status = :{name}" for name in statuses)
        found = f"SELECT {columns} FROM runs WHERE {where} {order} {page}"
    else:  # each status is a range of an index that is in order; several at once are not
        parts = [
            f"SELECT * FROM (SELECT id, started_at FROM runs WHERE {where} AND status = :{name} {order} {part})"
            f" AS of_{name}"
            for name in statuses
        ]
        chosen = f"SELECT id FROM ({' UNION ALL '.join(parts)}) AS found {order} {page}"
        found = f"SELECT {columns} FROM runs WHERE id IN ({chosen}) {order}"
    return tx.all(found, **values, **statuses, limit=limit, offset=offset, depth=offset + limit)


@dataclass(frozen=True, slots=True)
class Counted:
    """Where a run is counted: in each of the spans of its start, in each of what it is within."""

    owner_id: str
    withins: tuple[str, ...]
    status: str
    spans: tuple[tuple[int, int], ...]
    """The length of each and when it began."""

    @classmethod
    def of(cls, run: Run | None) -> Counted | None:
        """None for a run that has not finished."""
        if run is None or run.life.finished_at is None:
            return None
        withins = tuple(one for one in (ALL, run.actor_id, run.task_id) if one is not None)
        spans = tuple((span, begin_of(span, int(run.started_at))) for span in SPANS)
        return cls(run.owner_id, withins, str(run.status), spans)

    def add(self, tx: Tx, amount: int) -> None:
        """In one statement, which costs half of what a dozen do."""
        withins = {f"within_{number}": within for number, within in enumerate(self.withins)}
        begins = {f"begin_{number}": begin for number, (_, begin) in enumerate(self.spans)}
        every = " UNION ALL ".join(f"SELECT :{name} AS within" for name in withins)
        spans = " UNION ALL ".join(
            f"SELECT {span} AS span, :{name} AS starts_at" for name, (span, _) in zip(begins, self.spans, strict=True)
        )
        tx.run(
            "INSERT INTO run_counts (owner_id, within, span, starts_at, status, amount)"
            " SELECT :owner_id, within, span, starts_at, :status, :amount"
            f" FROM ({every}) AS every, ({spans}) AS spans WHERE TRUE"
            " ON CONFLICT (owner_id, within, span, starts_at, status)"
            " DO UPDATE SET amount = run_counts.amount + excluded.amount",
            owner_id=self.owner_id,
            status=self.status,
            amount=amount,
            **withins,
            **begins,
        )

    def sweep(self, tx: Tx) -> None:
        """Delete what counts nothing any more."""
        tx.many(
            "DELETE FROM run_counts WHERE owner_id = :owner_id AND within = :within AND span = :span"
            " AND starts_at = :starts_at AND status = :status AND amount = 0",
            [
                {"owner_id": self.owner_id, "within": within, "span": span, "starts_at": begin, "status": self.status}
                for within in self.withins
                for span, begin in self.spans
            ],
        )


def count(tx: Tx, before: Run | None, after: Run | None) -> None:
    """Follow a change of a run in the counts. None: there was, or is, no such run."""
    was, is_now = Counted.of(before), Counted.of(after)
    if was == is_now:
        return
    if was is not None:
        was.add(tx, -1)
        was.sweep(tx)
    if is_now is not None:
        is_now.add(tx, 1)
