"""The only SQL about inputs: key pairs of users and Actors, and what logs of runs must not show. All of it sealed."""

from __future__ import annotations

from actorium.database import Tx
from actorium.kernel.instant import Instant


def add_pair(tx: Tx, *, user_id: str, actor_id: str, now: Instant, sealed: str) -> None:
    """Store a key pair, unless there is one."""
    tx.run(
        "INSERT INTO input_keys (user_id, actor_id, created_at, sealed)"
        " VALUES (:user_id, :actor_id, :created_at, :sealed) ON CONFLICT DO NOTHING",
        user_id=user_id,
        actor_id=actor_id,
        created_at=int(now),
        sealed=sealed,
    )


def pair(tx: Tx, user_id: str, actor_id: str) -> str | None:
    row = tx.one(
        "SELECT sealed FROM input_keys WHERE user_id = :user_id AND actor_id = :actor_id",
        user_id=user_id,
        actor_id=actor_id,
    )
    return None if row is None else row["sealed"]


def put_secrets(tx: Tx, *, run_id: str, input_key: str, sealed: str) -> None:
    """Remember what the log must not show, of one of a run's inputs."""
    tx.run(
        "INSERT INTO run_secrets (run_id, input_key, sealed) VALUES (:run_id, :input_key, :sealed)"
        " ON CONFLICT (run_id, input_key) DO UPDATE SET sealed = excluded.sealed",
        run_id=run_id,
        input_key=input_key,
        sealed=sealed,
    )


def secrets(tx: Tx, run_id: str) -> list[tuple[str, str]]:
    """By input key."""
    rows = tx.all("SELECT input_key, sealed FROM run_secrets WHERE run_id = :run_id", run_id=run_id)
    return [(row["input_key"], row["sealed"]) for row in rows]
