"""What runs do with webhooks. Who looks after their delivery finds them by run, and later by Actor and task."""

from __future__ import annotations

from collections.abc import Sequence

from actorium.database import Tx
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.principal import Principal
from actorium.webhooks import ad_hoc, store
from actorium.webhooks.model import WebhookCondition, WebhookRepresentation
from actorium.webhooks.row import WebhookRow


def add_of_run_in(
    tx: Tx, asked: Sequence[WebhookRepresentation], *, run_id: str, principal: Principal, now: Instant, ids: Ids
) -> None:
    """Record the webhooks that a run is started with.

    One whose idempotency key its owner has used before, in this start or an earlier one, is not recorded again. What
    runs of an Actor with limited permissions use counts for that Actor alone: else they could silence its user's own.
    """
    for one in asked:
        store.add(
            tx,
            WebhookRow(
                id=ids.new(),
                owner_id=principal.user_id,
                is_ad_hoc=True,
                condition=WebhookCondition(actor_run_id=run_id),
                idempotency_key=one.idempotency_key,
                key_space="" if principal.scope is None else principal.scope.actor_id,
                created_at=now,
                modified_at=now,
                created_by_run=principal.run_id,
                document=ad_hoc.document(one),
            ),
        )


def forget_run_in(tx: Tx, run_id: str) -> None:
    """Delete the webhooks that are about one run."""
    store.delete_of_run(tx, run_id)
