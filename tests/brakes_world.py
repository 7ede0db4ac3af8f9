"""A server whose brakes, containers and clock move as a test says, second by second, beside arithmetic of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from actorium.app import http_app
from actorium.database.inline import Inline
from actorium.database.migrate import migrate
from actorium.kernel.limits import BRAKE_PERIOD_SECS, DAY_SECS
from actorium.runs import store
from actorium.runs.brakes.loop import BrakeLoop
from actorium.runs.lifecycle import TERMINAL, Event, RunStatus
from actorium.runs.row import Run
from actorium.settings import Settings
from actorium.wiring import Features, Work
from server_world import ServerWorld
from world import Client

UNIT_USD = 0.2
STOP_SECS = 2  # what a supervisor and a kill take here


class BrakesWorld:
    """``server`` is the present server process; ``used`` is what the test itself counted, in USD.

    By Actor and day; "" instead of an Actor is all of them.
    """

    def __init__(self, server: ServerWorld) -> None:
        self.server = server
        self.loop = brake_loop(server)
        self.used: dict[tuple[str, int], float] = defaultdict(float)
        self.is_up = True
        self._seconds = 0
        self.unit_usd = UNIT_USD

    @property
    def alice(self) -> Client:
        return self.server.alice

    @property
    def today(self) -> int:
        return int(self.server.clock.now()) // (DAY_SECS * 1000)

    async def live(self) -> list[Run]:
        return await self.server.database.read(lambda tx: store.live(tx))

    async def crash(self, secs: int) -> None:
        """The server is gone for a while and comes again with nothing but its tables; containers go on."""
        self.is_up = False
        await self.server.features.background.close()
        await self.go_on(secs)
        server = self.server
        server.features = Features(server.features.ground)
        server.app, server.work = http_app(server.features), Work(server.features)
        server.work.start(only=("builds.builder",))
        for client in (server.nobody, server.alice, server.bob):
            client._app = server.app
        self.loop, self.is_up = brake_loop(server), True
        await self.loop.tick()

    async def go_on(self, secs: int) -> None:
        """Let seconds pass. READY runs start when the server sees them; stopping ones end a little late."""
        for _ in range(secs):
            self._seconds += 1
            for run in await self.live():
                if run.life.attempt_started_at is not None and not self._is_overdue(run):
                    usd = run.options.memory_mbytes / 1024 / 3600 * self.unit_usd
                    self.used["", self.today] += usd
                    self.used[run.actor_id, self.today] += usd
            await self.server.clock.advance(1)
            if self.is_up:
                await self._supervise()
                if self._seconds % BRAKE_PERIOD_SECS == 0:
                    await self.loop.tick()

    def _is_overdue(self, run: Run) -> bool:
        """Whether a container has ended by itself: at its deadline, or when a graceful abort's time is over."""
        life = run.life
        if life.deadline_at is None:
            return False
        until = life.deadline_at
        if run.status is RunStatus.ABORTING and life.is_graceful and life.kill_at is not None:
            until = max(until, life.kill_at)
        return until <= self.server.clock.now()

    async def _supervise(self) -> None:
        now = self.server.clock.now()
        for run in await self.live():
            if run.status is RunStatus.READY:
                await self.server.happen(run.id, Event.STARTED)
            elif self._is_overdue(run):
                for event in (Event.DEADLINE, Event.EXITED)[run.status is not RunStatus.RUNNING :]:
                    await self.server.happen(run.id, event)
            elif run.life.kill_at is not None and run.life.kill_at.plus(secs=STOP_SECS) <= now:
                await self.server.happen(run.id, Event.EXITED)

    async def brakes(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.alice.get("/v2/users/me/brakes"))["items"]
        return items

    async def exit(self, run_id: str) -> None:
        """A run's process ends by itself, if it has begun."""
        if (await self.server.row(run_id)).life.attempt_started_at is not None:
            await self.server.happen(run_id, Event.EXITED, 0)

    async def ended(self, run_id: str) -> bool:
        return (await self.server.row(run_id)).status in TERMINAL


def brake_loop(server: ServerWorld) -> BrakeLoop:
    """The loop as a server runs it."""
    features, ground = server.features, server.features.ground
    return BrakeLoop(
        ground.database, views=features.views, clock=ground.clock, ids=ground.ids
    )  # fmt: skip


@asynccontextmanager
async def open_brakes(**settings: Any) -> AsyncIterator[BrakesWorld]:
    """A server with two users and no loop but that of builds."""
    database = Inline()
    server = ServerWorld(database, Settings(**({"rate_limit_scale": 0.0} | settings)))
    await migrate(database, server.clock.now())
    server.work.start(only=("builds.builder",))
    server.alice = await server.client_of("alice")
    server.bob = await server.client_of("bob")
    try:
        yield BrakesWorld(server)
    finally:
        await server.work.stop()
        await database.close()
