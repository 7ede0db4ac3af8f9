"""The whole server in one process, without sockets: every feature and loop, a fake executor and a fake builder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from actorium.app import http_app
from actorium.blobs.memory import MemoryBlobs
from actorium.database import Tx
from actorium.database.inline import Inline
from actorium.database.migrate import Engine, migrate
from actorium.executors import Container, Phase, Stats
from actorium.executors.fake import FakeExecutor
from actorium.kernel.ids import SeededIds
from actorium.kernel.principal import Principal
from actorium.runs import store
from actorium.runs.changes import CHANNEL, ENDED, save
from actorium.runs.lifecycle import TERMINAL, Event, RunStatus, container_name, step
from actorium.runs.model import RunView
from actorium.runs.row import Run
from actorium.settings import Settings
from actorium.testing.builder import FakeBuilder
from actorium.testing.clock import ManualClock
from actorium.wiring import Features, Ground, Work
from asgi_client import Answer
from world import Client, version

WAIT_SECS = 10
PATHS: dict[RunStatus, tuple[tuple[Event, int | None], ...]] = {
    RunStatus.READY: (),
    RunStatus.RUNNING: ((Event.STARTED, None),),
    RunStatus.SUCCEEDED: ((Event.STARTED, None), (Event.EXITED, 0)),
    RunStatus.FAILED: ((Event.STARTED, None), (Event.EXITED, 7)),
    RunStatus.TIMING_OUT: ((Event.STARTED, None), (Event.DEADLINE, None)),
    RunStatus.TIMED_OUT: ((Event.STARTED, None), (Event.DEADLINE, None), (Event.EXITED, None)),
    RunStatus.ABORTING: ((Event.STARTED, None), (Event.ABORT, None)),
    RunStatus.ABORTED: ((Event.STARTED, None), (Event.ABORT, None), (Event.EXITED, None)),
}
"""What has to happen to a new run for it to have a status."""


class ServerWorld:
    """``alice`` and ``bob`` are clients of two users, ``nobody`` has no token. Only tests move the clock."""

    def __init__(self, database: Engine, settings: Settings) -> None:
        self.database = database
        self.clock = ManualClock()
        self.executor = FakeExecutor(self.clock)
        self.builder = FakeBuilder()
        self.features = Features(
            Ground(
                settings=settings,
                database=database,
                blobs=MemoryBlobs(),
                executor=self.executor,
                builder=self.builder,
                clock=self.clock,
                ids=SeededIds(),
                secret="the secret of a test installation",
                node="here",
                port=8010,
                base_url="http://127.0.0.1:8010",
                public_url="http://127.0.0.1:8010",
            )
        )
        self.app = http_app(self.features)
        self.work = Work(self.features)
        self.nobody = Client(self.app)
        self.alice = self.nobody
        self.bob = self.nobody

    async def client_of(self, username: str) -> Client:
        """A new user's client."""
        _, token = await self.features.users.create(username)
        return Client(self.app, token=token)

    async def actor(self, name: str = "hello", *, client: Client | None = None, **more: Any) -> str:
        """The id of a new Actor with a build tagged latest."""
        client = client or self.alice
        made = await client.post(
            "/v2/actors", {"name": name, "versions": [version(("Dockerfile", "FROM scratch"))]} | more
        )
        build = await client.post(f"/v2/actors/{made['id']}/builds?version=0.1&waitForFinish=10")
        assert build["status"] == "SUCCEEDED", build
        return str(made["id"])

    async def start(
        self, actor: str, *, client: Client | None = None, input: Any = None, **query: object
    ) -> dict[str, Any]:
        """A new run."""
        made: dict[str, Any] = await (client or self.alice).post(
            f"/v2/actors/{actor}/runs?{urlencode({name: str(value) for name, value in query.items()})}", input
        )
        return made

    async def running(self, actor: str, **more: Any) -> dict[str, Any]:
        """A new run whose process has started."""
        made = await self.start(actor, **more)
        return await self.reached(made["id"], RunStatus.RUNNING)

    async def reached(self, run_id: str, *wanted: RunStatus, attempt: int = 1) -> dict[str, Any]:
        """Wait, without asking again and again, until a run has one of the statuses; its run object."""
        with self.features.waiters.watch((CHANNEL, run_id)) as bell:
            async with asyncio.timeout(WAIT_SECS):
                while not _is_at(run := await self.row(run_id), wanted, attempt):
                    assert run.status not in TERMINAL, f"the run is {run.status}: {run.life.status_message}"
                    await bell.ring(WAIT_SECS)
        shown: dict[str, Any] = await self.alice.get(f"/v2/actor-runs/{run_id}")
        return shown

    async def until(self, run_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until something holds of a run object; the run object."""
        with self.features.waiters.watch((CHANNEL, run_id)) as bell:
            async with asyncio.timeout(WAIT_SECS):
                while not holds(run := await self.alice.get(f"/v2/actor-runs/{run_id}")):
                    await bell.ring(WAIT_SECS)
        shown: dict[str, Any] = run
        return shown

    async def finished(self, run_id: str, code: int | None = 0, *, attempt: int = 1) -> dict[str, Any]:
        """End a run's process; the run object once that is recorded."""
        self.executor.exit(container_name(run_id, attempt), code)
        return await self.reached(run_id, *TERMINAL, attempt=attempt)

    async def bring(self, run_id: str, status: RunStatus) -> None:
        """Let happen to a new run what leads to a status, in a world without its loops."""
        for event, code in PATHS[status]:
            await self.happen(run_id, event, code)

    async def happen(self, run_id: str, event: Event, code: int | None = None) -> None:
        """Let one thing happen to a run, as the supervisor would record it."""
        now = self.clock.now()
        seen = Container(name=container_name(run_id, 1), phase=Phase.EXITED, exit_code=code)

        def work(tx: Tx) -> None:
            run = store.find(tx, run_id)
            assert run is not None
            life = step(run.life, event, now, seen)
            save(tx, run, replace(run, life=life), now=now, event_id=self.features.ground.ids.new())

        await self.database.write(work)

    async def row(self, run_id: str) -> Run:
        """A run as it is stored."""
        found = await self.database.read(lambda tx: store.find(tx, run_id))
        assert found is not None
        return found

    async def event_types(self, run_id: str) -> list[str]:
        """What happened to a run, in order."""

        def work(tx: Tx) -> list[str]:
            rows = tx.all("SELECT type FROM events WHERE subject_id = :id ORDER BY rowid", id=run_id)
            return [row["type"] for row in rows]

        return await self.database.read(work)

    def views_drawn(self) -> list[str]:
        """The runs whose objects are drawn from now on, in order: what a poll would do again and again."""
        drawn: list[str] = []
        draw = self.features.runs._view

        def noting(tx: Tx, run: Run, principal: Principal) -> RunView:
            drawn.append(run.id)
            return draw(tx, run, principal)

        self.features.runs._view = noting  # type: ignore[method-assign]
        return drawn

    def is_watched(self, run_id: str) -> bool:
        """Whether somebody waits for a run to end."""
        return run_id in self.features.waiters._bells[ENDED]

    async def price(self, actor_id: str, pricing: dict[str, Any]) -> None:
        """Give an Actor a price, in force at once."""
        await self.alice.put(f"/v2/actors/{actor_id}", {"pricingInfos": [pricing]})


def _is_at(run: Run, wanted: tuple[RunStatus, ...], attempt: int) -> bool:
    is_started = run.status is not RunStatus.RUNNING or run.life.attempt_started_at is not None
    return run.status in wanted and run.life.attempt == attempt and is_started


def measured(world: ServerWorld, **more: Any) -> Stats:
    """What an executor that can measure everything would say."""
    return Stats(
        **{
            "at": world.clock.now(),
            "mem_avg_bytes": 20_000_000.5,
            "mem_max_bytes": 30_000_000,
            "mem_current_bytes": 25_000_000,
            "cpu_avg_usage": 12.5,
            "cpu_max_usage": 99.5,
            "cpu_current_usage": 7.25,
            "net_rx_bytes": 5_000,
            "net_tx_bytes": 3_000,
            "internal_rx_bytes": 1_000,
            "internal_tx_bytes": 500,
        }
        | more
    )


@asynccontextmanager
async def open_server(
    *, loops: bool = True, database: Engine | None = None, **settings: Any
) -> AsyncIterator[ServerWorld]:
    """A server with its two users. ``loops=False``: nothing happens by itself except builds."""
    database = database or Inline()
    world = ServerWorld(database, Settings(**({"rate_limit_scale": 0.0} | settings)))
    await migrate(database, world.clock.now())
    world.work.start()
    world.alice = await world.client_of("alice")
    world.bob = await world.client_of("bob")
    world.executor.faults.blind = not loops
    try:
        yield world
    finally:
        world.executor.faults.blind = False
        await world.work.stop()
        await database.close()


def answered(answer: Answer, status: int) -> Any:
    """The JSON of a reply that must have this status."""
    assert answer.status == status, answer.body
    return answer.json
