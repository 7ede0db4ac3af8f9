"""The machines that run containers: when each was seen last, whether it is drained. The only SQL about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actorium.database import Tx
from actorium.kernel.instant import Instant
from actorium.kernel.limits import NODE_LOST_SECS, NODE_SEEN_PERIOD_SECS


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine with an executor of its own."""

    seen_at: Instant
    is_draining: bool

    def is_due(self, now: Instant) -> bool:
        """Whether it is time to say again that it is there. A clock that was put back says so, too."""
        return abs(self.seen_at.secs_until(now)) >= NODE_SEEN_PERIOD_SECS

    def is_lost(self, now: Instant) -> bool:
        """Whether it has been gone for so long that its runs are given up."""
        return self.seen_at.secs_until(now) >= NODE_LOST_SECS


def known(tx: Tx) -> Mapping[str, Node]:
    """Every node by its id."""
    rows = tx.all("SELECT id, seen_at, is_draining FROM nodes")
    return {row["id"]: Node(seen_at=Instant(row["seen_at"]), is_draining=bool(row["is_draining"])) for row in rows}


def seen(tx: Tx, node: str, now: Instant) -> None:
    """A node's supervisor is there."""
    tx.run(
        "INSERT INTO nodes (id, seen_at, is_draining) VALUES (:id, :now, 0)"
        " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        id=node,
        now=int(now),
    )


def drain(tx: Tx, node: str, *, is_draining: bool) -> bool:
    """Let nothing start on a node any more, or again; False: no such node."""
    return tx.run("UPDATE nodes SET is_draining = :value WHERE id = :id", id=node, value=int(is_draining)) == 1


def runs_left(tx: Tx, node: str) -> int:
    """How many runs that have not ended belong to a node."""
    row = tx.one("SELECT COUNT(*) AS total FROM runs WHERE finished_at IS NULL AND node = :id", id=node)
    assert row is not None
    return int(row["total"])
