"""The only SQL about charges."""

from __future__ import annotations

from actorium.database import Tx
from actorium.kernel.instant import Instant


def open_budget(tx: Tx, run_id: str) -> None:
    tx.run("INSERT INTO run_budgets (run_id) VALUES (:id) ON CONFLICT DO NOTHING", id=run_id)


def hold(tx: Tx, run_id: str) -> None:
    """Charges of one run are added up one after the other, whichever server they come to."""
    tx.held("SELECT run_id FROM run_budgets WHERE run_id = :id", id=run_id)


def remember(tx: Tx, run_id: str, key: str, *, now: Instant, since: Instant) -> bool:
    """Take a key; False if it was taken at ``since`` or later."""
    taken = tx.run(
        "INSERT INTO run_charge_keys (run_id, idempotency_key, created_at) VALUES (:id, :key, :now)"
        " ON CONFLICT (run_id, idempotency_key) DO UPDATE SET created_at = excluded.created_at"
        " WHERE run_charge_keys.created_at < :since",
        id=run_id,
        key=key,
        now=int(now),
        since=int(since),
    )
    return taken == 1


def add(tx: Tx, run_id: str, event: str, amount: int) -> int:
    """Count an event; how often it is charged now."""
    row = tx.one(
        "INSERT INTO run_charges (run_id, event, amount) VALUES (:id, :event, :amount)"
        " ON CONFLICT (run_id, event) DO UPDATE SET amount = run_charges.amount + excluded.amount RETURNING amount",
        id=run_id,
        event=event,
        amount=amount,
    )
    assert row is not None
    return int(row["amount"])


def counts(tx: Tx, run_id: str) -> dict[str, int]:
    """How often each event of a run was charged."""
    rows = tx.all("SELECT event, amount FROM run_charges WHERE run_id = :id ORDER BY event", id=run_id)
    return {row["event"]: int(row["amount"]) for row in rows}


def plan_abort(tx: Tx, run_id: str, at: Instant) -> None:
    """Note when a run is to be aborted, unless that is planned already."""
    tx.run(
        "INSERT INTO run_budgets (run_id, abort_at) VALUES (:id, :at)"
        " ON CONFLICT (run_id) DO UPDATE SET abort_at = COALESCE(run_budgets.abort_at, excluded.abort_at)",
        id=run_id,
        at=int(at),
    )


def call_off(tx: Tx, run_id: str) -> None:
    """Plan no abort any more."""
    tx.run("UPDATE run_budgets SET abort_at = NULL WHERE run_id = :id", id=run_id)


def due(tx: Tx, now: Instant, limit: int) -> list[str]:
    """Runs whose abort is due, those that wait longest in front."""
    rows = tx.all(
        "SELECT run_id FROM run_budgets WHERE abort_at <= :now ORDER BY abort_at, run_id LIMIT :limit",
        now=int(now),
        limit=limit,
    )
    return [row["run_id"] for row in rows]


def is_due(tx: Tx, run_id: str, now: Instant) -> bool:
    row = tx.one("SELECT abort_at FROM run_budgets WHERE run_id = :id", id=run_id)
    return row is not None and row["abort_at"] is not None and row["abort_at"] <= now


def forget(tx: Tx, run_id: str) -> None:
    """Forget what a run was charged. Its keys expire by themselves."""
    tx.run("DELETE FROM run_charges WHERE run_id = :id", id=run_id)
    tx.run("DELETE FROM run_budgets WHERE run_id = :id", id=run_id)


def prune_keys(tx: Tx, before: Instant, limit: int) -> bool:
    """Forget keys taken before a moment; whether there may be more."""
    rows = tx.all(
        "SELECT run_id, idempotency_key FROM run_charge_keys WHERE created_at < :before"
        " ORDER BY created_at LIMIT :limit",
        before=int(before),
        limit=limit,
    )
    tx.many(
        "DELETE FROM run_charge_keys WHERE run_id = :run_id AND idempotency_key = :key AND created_at < :before",
        [{"run_id": row["run_id"], "key": row["idempotency_key"], "before": int(before)} for row in rows],
    )
    return len(rows) == limit
