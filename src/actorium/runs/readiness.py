"""Asking running containers whether their web server answers yet; ``isContainerServerReady`` is what it said."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from msgspec import structs

from actorium.database import Database, Tx
from actorium.executors import Executor
from actorium.kernel.clock import Clock
from actorium.kernel.errors import StaleWrite
from actorium.runs import store
from actorium.runs.changes import CHANNEL
from actorium.runs.lifecycle import RunStatus, container_name
from actorium.runs.row import Run

OFTEN_SECS = 20  # a young container is asked at each tick, an older one only at every tenth
SELDOM_SECS = 10


class Readiness:
    """A loop's tick: asks those that are running and have not answered."""

    def __init__(self, database: Database, executor: Executor, *, clock: Clock) -> None:
        self._database = database
        self._executor = executor
        self._clock = clock

    async def tick(self) -> None:
        """Ask once."""
        now = self._clock.now()
        due = [run for run in await self._database.read(store.live) if self._is_due(run, int(now))]
        await asyncio.gather(*(self._ask(run) for run in due))

    def _is_due(self, run: Run, now: int) -> bool:
        started = run.life.attempt_started_at
        if run.status is not RunStatus.RUNNING or started is None or run.document.is_container_server_ready:
            return False
        age_secs = (now - started) // 1000
        return age_secs < OFTEN_SECS or age_secs % SELDOM_SECS == 0

    async def _ask(self, run: Run) -> None:
        if not await self._executor.web_server_ready(container_name(run.id, run.life.attempt)):
            return

        def work(tx: Tx) -> None:
            current = store.find(tx, run.id)
            if current is None or current.life.attempt != run.life.attempt:
                return
            ready = structs.replace(current.document, is_container_server_ready=True)
            store.save(tx, replace(current, document=ready), before=current)
            tx.wake(CHANNEL, run.id)

        try:
            await self._database.write(work)
        except StaleWrite:
            return
