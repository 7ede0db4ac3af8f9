"""What the Actors, which lie below, ask of builds."""

from __future__ import annotations

from actorium.actors.model import TaggedBuild
from actorium.builds import store
from actorium.builds.changes import WORK
from actorium.builds.lifecycle import BuildStatus
from actorium.database import Tx
from actorium.kernel.instant import Instant


class BuildsForActors:
    """Satisfies ``actorium.actors.service.ActorBuilds``."""

    def tagged_in(self, tx: Tx, actor_id: str, build_id: str) -> TaggedBuild | None:
        """A successful build of the Actor; None: no such build."""
        row = store.find(tx, build_id)
        if row is None or row.actor_id != actor_id or row.status is not BuildStatus.SUCCEEDED:
            return None
        return store.tagged(row)

    def remove_of_in(self, tx: Tx, actor_id: str, now: Instant) -> None:
        """Take every build of the Actor out of sight; the builder ends those that run and cleans up."""
        store.remove_of(tx, actor_id, now)
        tx.wake(WORK, actor_id)
