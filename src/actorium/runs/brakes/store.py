"""The only SQL about brakes and spending."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.limits import SPENDING_USD_MAX
from actorium.runs.brakes.model import NANOS, Brake, Kind, SetBy

LIVE, ENDED, CLOSED = "live", "ended", "closed"
_NAMED = (
    "SELECT b.owner_id, b.kind, b.subject_id, b.set_by, b.limit_nanos, b.created_at, b.modified_at, u.username,"
    " CASE WHEN a.owner_id = b.owner_id OR a.is_public = 1 THEN a.name END AS actor_name,"
    " o.username AS actor_username, t.name AS task_name FROM brakes b"
    " JOIN users u ON u.id = b.owner_id"
    " LEFT JOIN actors a ON b.kind = 'ACTOR' AND a.id = b.subject_id LEFT JOIN users o ON o.id = a.owner_id"
    " LEFT JOIN tasks t ON b.kind = 'TASK' AND t.id = b.subject_id"
)
_ORDER = "ORDER BY b.owner_id, b.kind, b.subject_id, b.set_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How much of a run's cost is booked."""

    run_id: str
    owner_id: str
    day: int
    booked_nanos: int
    state: str


@dataclass(slots=True)
class Waiting:
    """Runs of one Actor and task that wait for a place."""

    actor_id: str
    task_id: str | None
    memory_mbytes: int


def of_owner(tx: Tx, owner_id: str) -> list[Brake]:
    """Every brake that a user's runs may be under."""
    return [_brake(row) for row in tx.all(f"{_NAMED} WHERE b.owner_id = :owner_id {_ORDER}", owner_id=owner_id)]


def page(tx: Tx, *, offset: int, limit: int) -> list[Brake]:
    """Brakes of all users."""
    return [_brake(row) for row in tx.all(f"{_NAMED} {_ORDER} LIMIT :limit OFFSET :offset", limit=limit, offset=offset)]


def set_limit(tx: Tx, brake: Brake) -> None:
    """Make a brake, or change its limit."""
    tx.run(
        "INSERT INTO brakes (owner_id, kind, subject_id, set_by, limit_nanos, created_at, modified_at)"
        " VALUES (:owner_id, :kind, :subject_id, :set_by, :limit_nanos, :now, :now)"
        " ON CONFLICT (owner_id, kind, subject_id, set_by)"
        " DO UPDATE SET limit_nanos = excluded.limit_nanos, modified_at = excluded.modified_at",
        owner_id=brake.owner_id,
        kind=str(brake.kind),
        subject_id=brake.subject_id,
        set_by=str(brake.set_by),
        limit_nanos=brake.limit_nanos,
        now=int(brake.modified_at),
    )


def remove(tx: Tx, owner_id: str, kind: Kind, subject_id: str, set_by: SetBy) -> bool:
    """Whether there was such a brake."""
    return (
        tx.run(
            "DELETE FROM brakes WHERE owner_id = :owner_id AND kind = :kind AND subject_id = :subject_id"
            " AND set_by = :set_by",
            owner_id=owner_id,
            kind=str(kind),
            subject_id=subject_id,
            set_by=str(set_by),
        )
        == 1
    )


def braked_owners(tx: Tx) -> list[str]:
    """Users with a brake who have something that spends."""
    rows = tx.all(
        "SELECT DISTINCT b.owner_id FROM brakes b WHERE EXISTS"
        " (SELECT 1 FROM run_spending s WHERE s.owner_id = b.owner_id AND s.state = 'live')"
    )
    return [row["owner_id"] for row in rows]


def find_subject(tx: Tx, kind: Kind, reference: str) -> tuple[str, str, bool] | None:
    """The id of an Actor or a task by its id or as OWNER/NAME (or OWNER~NAME), its owner, and whether it is public."""
    table, public = ("actors", "s.is_public") if kind is Kind.ACTOR else ("tasks", "0")
    owner, _, name = reference.replace("~", "/").partition("/")
    row = tx.one(
        f"SELECT s.id, s.owner_id, {public} AS is_public FROM {table} s JOIN users u ON u.id = s.owner_id"
        " WHERE s.id = :reference OR (s.name = :name AND u.username_key = :owner)",
        reference=reference,
        name=name,
        owner=owner.lower(),
    )
    return None if row is None else (row["id"], row["owner_id"], bool(row["is_public"]))


def open_account(tx: Tx, account: Account) -> None:
    """A run begins to spend; one that ended before goes on from what was booked."""
    tx.run(
        "INSERT INTO run_spending (run_id, owner_id, day, booked_nanos, state)"
        " VALUES (:run_id, :owner_id, :day, :booked_nanos, 'live')"
        " ON CONFLICT (run_id) DO UPDATE SET state = 'live', settle_at = NULL, day = excluded.day",
        run_id=account.run_id,
        owner_id=account.owner_id,
        day=account.day,
        booked_nanos=account.booked_nanos,
    )


def account(tx: Tx, run_id: str) -> Account | None:
    row = tx.one(f"SELECT {_ACCOUNT} FROM run_spending WHERE run_id = :run_id", run_id=run_id)
    return None if row is None else _account(row)


def live(tx: Tx, owner_id: str) -> list[Account]:
    """Of a user's runs that are not all booked, without those that wait for a place: these have spent nothing more."""
    rows = tx.all(
        "SELECT s.run_id, s.owner_id, s.day, s.booked_nanos, s.state FROM run_spending s JOIN runs r ON r.id = s.run_id"
        " WHERE s.owner_id = :id AND s.state = 'live' AND r.status <> 'READY'",
        id=owner_id,
    )
    return [_account(row) for row in rows]


def waiting(tx: Tx, owner_id: str) -> list[Waiting]:
    """Of a user's runs that wait for a place: one range of one index, however many they are."""
    rows = tx.all(
        "SELECT actor_id, task_id, SUM(memory_mbytes) AS memory_mbytes FROM runs"
        " WHERE owner_id = :id AND finished_at IS NULL AND status = 'READY' GROUP BY actor_id, task_id",
        id=owner_id,
    )
    return [Waiting(row["actor_id"], row["task_id"], int(row["memory_mbytes"])) for row in rows]


def newest_waiting(tx: Tx, brake: Brake, limit: int) -> list[str]:
    """Runs under a brake that wait for a place."""
    column = {Kind.USER: "owner_id", Kind.ACTOR: "actor_id", Kind.TASK: "task_id"}[brake.kind]
    rows = tx.all(
        f"SELECT id FROM runs WHERE owner_id = :owner_id AND {column} = :subject_id AND finished_at IS NULL"
        " AND status = 'READY' ORDER BY started_at DESC, id DESC LIMIT :limit",
        owner_id=brake.owner_id,
        subject_id=brake.subject_id,
        limit=limit,
    )
    return [row["id"] for row in rows]


def is_braked(tx: Tx, run_id: str) -> bool:
    """Whether a run's owner has a brake at all."""
    found = tx.one("SELECT 1 AS found FROM runs r JOIN brakes b ON b.owner_id = r.owner_id WHERE r.id = :id", id=run_id)
    return found is not None


def to_book(tx: Tx, *, today: int, now: Instant, limit: int) -> list[str]:
    """Runs to be booked: they have ended, or the day has, or they are to be looked at for the last time."""
    rows = tx.all(
        "SELECT s.run_id FROM run_spending s JOIN runs r ON r.id = s.run_id"
        " WHERE s.state = 'live' AND (s.day < :today OR r.finished_at IS NOT NULL) LIMIT :limit",
        today=today,
        limit=limit,
    )
    due = tx.all(
        "SELECT run_id FROM run_spending WHERE state = 'ended' AND settle_at <= :now ORDER BY settle_at LIMIT :limit",
        now=int(now),
        limit=limit,
    )
    return [row["run_id"] for row in (*rows, *due)][:limit]


def book(tx: Tx, before: Account, after: Account, *, settle_at: Instant | None) -> bool:
    """Change an account; False: somebody else has booked meanwhile."""
    return (
        tx.run(
            "UPDATE run_spending SET day = :day, booked_nanos = :booked_nanos, state = :state, settle_at = :settle_at"
            " WHERE run_id = :run_id AND booked_nanos = :was AND day = :was_day AND state = :was_state",
            run_id=after.run_id,
            day=after.day,
            booked_nanos=after.booked_nanos,
            state=after.state,
            settle_at=None if settle_at is None else int(settle_at),
            was=before.booked_nanos,
            was_day=before.day,
            was_state=before.state,
        )
        == 1
    )


def add_spending(tx: Tx, owner_id: str, amounts: Iterable[tuple[Kind, str, int, int]]) -> None:
    """Add (kind, subject, day, nanos)."""
    most = SPENDING_USD_MAX * NANOS
    tx.many(
        "INSERT INTO spending (owner_id, kind, subject_id, day, nanos)"
        " VALUES (:owner_id, :kind, :subject_id, :day, :nanos) ON CONFLICT (owner_id, kind, subject_id, day)"
        " DO UPDATE SET nanos = CASE WHEN spending.nanos > :most - excluded.nanos THEN :most"
        " ELSE spending.nanos + excluded.nanos END",
        [
            {
                "owner_id": owner_id,
                "kind": str(kind),
                "subject_id": subject_id,
                "day": day,
                "nanos": nanos,
                "most": most,
            }
            for kind, subject_id, day, nanos in amounts
        ],
    )


def spent(tx: Tx, brake: Brake, day: int) -> int:
    """What is booked of a brake's subject on a day."""
    row = tx.one(
        "SELECT nanos FROM spending WHERE owner_id = :owner_id AND kind = :kind AND subject_id = :subject_id"
        " AND day = :day",
        owner_id=brake.owner_id,
        kind=str(brake.kind),
        subject_id=brake.subject_id,
        day=day,
    )
    return 0 if row is None else int(row["nanos"])


def prune(tx: Tx, before_day: int, limit: int) -> bool:
    """Forget days that are long over; whether there may be more."""
    rows = tx.all(
        "SELECT owner_id, kind, subject_id, day FROM spending WHERE day < :before ORDER BY day LIMIT :limit",
        before=before_day,
        limit=limit,
    )
    tx.many(
        "DELETE FROM spending WHERE owner_id = :owner_id AND kind = :kind AND subject_id = :subject_id AND day = :day",
        [{key: row[key] for key in ("owner_id", "kind", "subject_id", "day")} for row in rows],
    )
    return len(rows) == limit


_ACCOUNT = "run_id, owner_id, day, booked_nanos, state"


def _account(row: Row) -> Account:
    return Account(
        run_id=row["run_id"],
        owner_id=row["owner_id"],
        day=row["day"],
        booked_nanos=int(row["booked_nanos"]),
        state=row["state"],
    )


def _brake(row: Row) -> Brake:
    return Brake(
        owner_id=row["owner_id"],
        kind=Kind(row["kind"]),
        subject_id=row["subject_id"],
        set_by=SetBy(row["set_by"]),
        limit_nanos=int(row["limit_nanos"]),
        created_at=Instant(row["created_at"]),
        modified_at=Instant(row["modified_at"]),
        name=_name(row),
    )


def _name(row: Any) -> str | None:
    match row["kind"]:
        case "ACTOR":
            return row["actor_name"] and f"{row['actor_username']}/{row['actor_name']}"
        case "TASK":
            return row["task_name"] and f"{row['username']}/{row['task_name']}"
        case _:
            return str(row["username"])
