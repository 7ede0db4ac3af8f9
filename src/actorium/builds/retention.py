"""Deletes builds that no tag points at and nobody has used for long."""

from __future__ import annotations

from functools import partial

import structlog

from actorium.actors.service import Actors
from actorium.builds import resolution, store
from actorium.builds.changes import WORK
from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.instant import Instant
from actorium.kernel.limits import BUILDS_RETIRED_PER_TICK

log = structlog.get_logger()


class BuildRetention:
    """Walks over the finished builds in the order of their last use, again and again.

    A build that a tag points at stays, and so does the one that plain runs get. What the build loop then cleans up
    behind a deleted build stays as long as a run needs it.
    """

    def __init__(self, database: Database, clock: Clock, *, actors: Actors, days: int) -> None:
        """``days`` without use; 0 keeps all builds for ever."""
        self._database = database
        self._clock = clock
        self._actors = actors
        self._days = days
        self._place = store.BEFORE_ALL

    async def tick(self) -> None:
        """A bounded number of builds, beginning where the last tick ended."""
        if self._days == 0:
            return
        now = self._clock.now()
        before = Instant(int(now) - self._days * 86_400_000)
        places = await self._database.read(
            partial(store.unused, before=before, after=self._place, limit=BUILDS_RETIRED_PER_TICK)
        )
        for _, build_id in places:
            work = partial(self._retire_in, build_id=build_id, before=before, now=now)
            if await self._database.read(partial(self._is_due_in, build_id=build_id)) and await self._database.write(
                work
            ):
                log.info("build.retired", build_id=build_id)
        self._place = places[-1] if len(places) == BUILDS_RETIRED_PER_TICK else store.BEFORE_ALL

    def _is_due_in(self, tx: Tx, build_id: str) -> bool:
        row = store.find(tx, build_id)
        if row is None:
            return False
        actor = self._actors.find_in(tx, row.actor_id)
        if actor is None:
            return True
        tagged = {build.build_id for build in actor.tagged_builds.values()}
        return row.id not in tagged and not resolution.is_default(actor, row)

    def _retire_in(self, tx: Tx, build_id: str, before: Instant, now: Instant) -> bool:
        if not self._is_due_in(tx, build_id) or not store.remove_unused(tx, build_id, before=before, now=now):
            return False
        tx.wake(WORK, build_id)
        return True
