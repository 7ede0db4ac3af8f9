"""The only SQL about webhooks."""

from __future__ import annotations

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.structs import decode, encode
from actorium.webhooks.model import WebhookCondition
from actorium.webhooks.row import WebhookDocument, WebhookRow

_COLUMNS = (
    "id, owner_id, is_ad_hoc, actor_id, actor_task_id, actor_run_id, idempotency_key, created_at, modified_at,"
    " created_by_run, revision, document, key_space"
)


def add(tx: Tx, row: WebhookRow) -> bool:
    """Store a new webhook; False where its owner has one with this key, of this key space, already, which stays."""
    condition = row.condition
    return bool(
        tx.run(
            f"INSERT INTO webhooks ({_COLUMNS}) VALUES (:id, :owner_id, :is_ad_hoc, :actor_id, :actor_task_id,"
            " :actor_run_id, :idempotency_key, :created_at, :modified_at, :created_by_run, :revision, :document,"
            " :key_space)"
            " ON CONFLICT DO NOTHING",
            id=row.id,
            owner_id=row.owner_id,
            is_ad_hoc=int(row.is_ad_hoc),
            actor_id=condition.actor_id,
            actor_task_id=condition.actor_task_id,
            actor_run_id=condition.actor_run_id,
            idempotency_key=row.idempotency_key,
            created_at=int(row.created_at),
            modified_at=int(row.modified_at),
            created_by_run=row.created_by_run,
            revision=row.revision,
            document=encode(row.document).decode(),
            key_space=row.key_space,
        )
    )


def of_run(tx: Tx, run_id: str) -> list[WebhookRow]:
    """The webhooks that are about one run, in the order in which it was given them."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM webhooks WHERE actor_run_id = :run_id ORDER BY created_at, id", run_id=run_id
    )
    return [_row(row) for row in rows]


def delete_of_run(tx: Tx, run_id: str) -> None:
    """Forget the webhooks that are about one run."""
    tx.run("DELETE FROM webhooks WHERE actor_run_id = :run_id", run_id=run_id)


def _row(row: Row) -> WebhookRow:
    return WebhookRow(
        id=row["id"],
        owner_id=row["owner_id"],
        is_ad_hoc=bool(row["is_ad_hoc"]),
        condition=WebhookCondition(
            actor_id=row["actor_id"], actor_task_id=row["actor_task_id"], actor_run_id=row["actor_run_id"]
        ),
        idempotency_key=row["idempotency_key"],
        created_at=Instant(row["created_at"]),
        modified_at=Instant(row["modified_at"]),
        created_by_run=row["created_by_run"],
        revision=row["revision"],
        key_space=row["key_space"],
        document=decode(row["document"], WebhookDocument),
    )
