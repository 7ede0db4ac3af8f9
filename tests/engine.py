"""The supervisor on a database in memory with containers in memory: for tests of what it decides and does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from structlog.testing import capture_logs

from actorium.database import Tx
from actorium.database.inline import Inline
from actorium.database.migrate import migrate
from actorium.events.waiters import Waiters
from actorium.executors import Spec
from actorium.executors.fake import FakeExecutor, Faults
from actorium.kernel.ids import SeededIds
from actorium.kernel.instant import Instant
from actorium.logs.service import Line, Logs
from actorium.loops.background import Background
from actorium.runs import changes, store
from actorium.runs.capacity import Capacity
from actorium.runs.ingest import Ingest
from actorium.runs.lifecycle import TERMINAL, Event, Life, RunStatus, container_name, step
from actorium.runs.metering import RunMeter
from actorium.runs.model import RunMeta, RunOptions, RunOrigin, StorageIds
from actorium.runs.row import Document, Run
from actorium.runs.supervisor import Supervisor
from actorium.testing.clock import ManualClock

TURNS = 60  # turns of the event loop in which everything that can go on goes on
TICKS_MAX = 2000  # what a test may need at the most; more is a hot loop


class Engine:
    """A supervisor and all it stands on. ``settle`` ticks as the real loop would, until nothing wakes it any more."""

    def __init__(
        self,
        *,
        containers: int = 100,
        memory_mbytes: int = 100_000,
        faults: Faults | None = None,
        beside: Engine | None = None,
    ) -> None:
        """``beside``: another machine of the same installation."""
        self.node = "here" if beside is None else "there"
        self.database = Inline() if beside is None else beside.database
        self.clock = ManualClock() if beside is None else beside.clock
        self.ids = SeededIds() if beside is None else beside.ids
        self.executor = FakeExecutor(self.clock, faults=faults)
        self.faults = self.executor.faults
        self.logs = Logs(self.database, Waiters(self.database))
        self.specs_refused: dict[str, Exception] = {}
        self.specs_asked: list[str] = []
        self.specs_given = asyncio.Event()
        """Clear it, and starts wait for their specs."""
        self.specs_given.set()
        self.ticks = 0
        self._capacity = Capacity(memory_mbytes=memory_mbytes, containers=containers)
        self._woken = False
        self.boot()

    def boot(self) -> None:
        """A new server process on the same database and machine."""
        self.background = Background()
        self.ingest = Ingest(
            self.database, self.executor, logs=self.logs, background=self.background, mask_in=self._mask
        )
        self.supervisor = Supervisor(
            self.database,
            self.executor,
            node=self.node,
            ingest=self.ingest,
            meter=RunMeter(self.database, self.executor),
            spec_of=self._spec,
            capacity=self._capacity,
            background=self.background,
            clock=self.clock,
            ids=self.ids,
            wake=self._wake,
        )

    async def crash(self) -> None:
        """The server is killed wherever it is, and another one starts."""
        await self.background.close()
        self.boot()

    @staticmethod
    def _mask(tx: Tx, run_id: str, lines: Sequence[Line]) -> list[Line]:
        return list(lines)

    def _wake(self) -> None:
        self._woken = True

    async def _spec(self, run: Run) -> Spec:
        name = container_name(run.id, run.life.attempt)
        self.specs_asked.append(name)
        await self.specs_given.wait()
        if run.id in self.specs_refused:
            raise self.specs_refused[run.id]
        return Spec(
            name=name,
            image="image",
            owner_number=1,
            env={},
            memory_mbytes=run.options.memory_mbytes,
            disk_mbytes=run.options.disk_mbytes,
            cpu_cores=1.0,
            pids_max=10,
            deadline=run.life.deadline_at,
            log_bytes_max=1_000_000,
            container_port=4321,
            api_port=8000,
        )

    async def add(self, *, memory_mbytes: int = 256, timeout_secs: int = 0) -> str:
        """A new run, a millisecond after the one before; its id."""
        await self.clock.advance(0.001)
        run_id = self.ids.new()
        document = Document(
            actor_name="actor",
            username="alice",
            starter_name="alice",
            owner_number=1,
            build_number="0.1.1",
            image_reference="image",
            options=RunOptions(
                build="latest", timeout_secs=timeout_secs, memory_mbytes=memory_mbytes, disk_mbytes=2 * memory_mbytes
            ),
            storage_ids=StorageIds(datasets={}, key_value_stores={}, request_queues={}),
        )
        run = Run(
            id=run_id,
            owner_id="owner",
            actor_id="actor",
            build_id="build",
            meta=RunMeta(origin=RunOrigin.API),
            started_at=self.clock.now(),
            web_port=20_000 + int(self.ids.new(), 36) % 10**9,
            life=Life(timeout_secs=timeout_secs),
            document=document,
        )

        def work(tx: Tx) -> None:
            self.logs.create_in(tx, subject_id=run.id, owner_id=run.owner_id)
            changes.add(tx, run, event_id=self.ids.new())

        await self.database.write(work)
        return run_id

    async def started(self, **options: int) -> str:
        """A new run whose container runs; its id."""
        run_id = await self.add(**options)
        await self.settle()
        assert await self.status(run_id) is RunStatus.RUNNING
        return run_id

    async def apply(self, run_id: str, event: Event) -> None:
        """What the service does for a caller: abort, reboot."""

        def work(tx: Tx) -> None:
            run = store.find(tx, run_id)
            assert run is not None
            now = self.clock.now()
            changes.save(tx, run, replace(run, life=step(run.life, event, now)), now=now, event_id=self.ids.new())

        await self.database.write(work)

    async def run(self, run_id: str) -> Run:
        found = await self.database.read(lambda tx: store.find(tx, run_id))
        assert found is not None
        return found

    async def status(self, run_id: str) -> RunStatus:
        return (await self.run(run_id)).status

    async def live(self) -> list[Run]:
        return [run for run in await self.database.read(store.live) if run.status not in TERMINAL]

    async def events(self, run_id: str) -> list[str]:
        """What happened to a run, in order, without the common beginning of the names."""

        def work(tx: Tx) -> list[str]:
            rows = tx.all("SELECT type FROM events WHERE subject_id = :id ORDER BY rowid", id=run_id)
            return [row["type"].removeprefix("ACTOR.RUN.") for row in rows]

        return await self.database.read(work)

    async def log(self, run_id: str) -> list[str]:
        """The texts of a run's log, without their times."""
        return [line.partition(" ")[2] for line in await self.timed_log(run_id)]

    async def timed_log(self, run_id: str) -> list[str]:
        def work(tx: Tx) -> bytes:
            rows = tx.all("SELECT payload FROM log_chunks WHERE subject_id = :id ORDER BY position", id=run_id)
            return b"".join(bytes(row["payload"]) for row in rows)

        return (await self.database.read(work)).decode().splitlines()

    async def tick(self) -> None:
        """One tick, and all that follows from it before the next."""
        self.ticks += 1
        self._woken = False
        await self.supervisor.tick()
        await self.turns(TURNS)

    async def turns(self, number: int) -> None:
        """Let everything that can go on do so many turns of the event loop."""
        for _ in range(number):
            await asyncio.sleep(0)

    async def settle(self) -> int:
        """Tick until nothing wakes the loop; how many ticks that took."""
        before = self.ticks
        while True:
            await self.tick()
            assert self.ticks - before < TICKS_MAX, "the supervisor never comes to rest"
            if not self._woken:
                return self.ticks - before

    async def period(self, secs: float = 1.0) -> None:
        """Time goes by, then a tick that nobody asked for."""
        await self.clock.advance(secs)
        await self.settle()

    def now(self) -> Instant:
        return self.clock.now()


@asynccontextmanager
async def open_engine(
    *, containers: int = 100, memory_mbytes: int = 100_000, faults: Faults | None = None
) -> AsyncIterator[Engine]:
    """An engine whose tasks and database end with the block."""
    engine = Engine(containers=containers, memory_mbytes=memory_mbytes, faults=faults)
    await migrate(engine.database, engine.clock.now())
    with capture_logs():  # else each traceback is drawn for people, which takes a second
        try:
            yield engine
        finally:
            await engine.background.close()
            await engine.database.close()
