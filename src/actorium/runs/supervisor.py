"""Makes containers match rows and rows match containers. Nothing else starts, stops, kills or removes a container.

Each tick reads the rows first and surveys second: a container that a row knows and the survey does not is gone for
sure, while one that started in between is merely seen early. What to do is decided by ``lifecycle.decide``; what
is done may be repeated, because a tick after a crash decides the same again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from actorium.database import Database, Tx
from actorium.executors import Cause, Container, Executor, Phase, Spec
from actorium.kernel.clock import Clock
from actorium.kernel.errors import ActoriumError, BackendUnavailable, StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.limits import STARTS_CONCURRENT_MAX
from actorium.loops.background import Background
from actorium.runs import store
from actorium.runs.changes import save
from actorium.runs.facts import measure
from actorium.runs.ingest import Ingest
from actorium.runs.lifecycle import Act, Decision, Event, container_name, decide, run_of, step
from actorium.runs.measurements import of
from actorium.runs.row import Run

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What this machine gives to runs at once; further ones wait in READY, oldest first."""

    memory_mbytes: int
    containers: int


class Supervisor:
    """Drives every live run towards its end."""

    def __init__(
        self, database: Database, executor: Executor, *, ingest: Ingest, spec_of: Callable[[Run], Awaitable[Spec]],
        capacity: Capacity, background: Background, clock: Clock, ids: Ids, wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._executor = executor
        self._ingest = ingest
        self._spec_of = spec_of
        self._capacity = capacity
        self._background = background
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._busy: dict[str, int] = {}
        """Containers that something is being done about, with the memory that a start will take."""
        self._starting = 0
        self._known: dict[str, Run] = {}
        """The live runs of the last tick: most have not changed since."""

    async def tick(self) -> None:
        """One look at everything. Acts run beside each other; each wakes the loop when it is done."""
        runs = await self._database.read(lambda tx: store.live(tx, self._known))
        self._known = {run.id: run for run in runs}
        survey = await self._executor.survey()
        now = self._clock.now()
        containers: dict[str, dict[int, Container]] = defaultdict(dict)
        for name, container in survey.items():
            run_id, attempt = run_of(name)
            containers[run_id][attempt] = container
        room = self._room(runs, survey)
        for run in runs:
            mine = containers[run.id]
            name = container_name(run.id, run.life.attempt)
            older_alive = any(
                attempt < run.life.attempt and container.phase is not Phase.EXITED
                for attempt, container in mine.items()
            ) or any(container_name(run.id, attempt) in self._busy for attempt in range(1, run.life.attempt))
            seen = mine.pop(run.life.attempt, None)
            if name in self._busy:
                continue
            decision = decide(run.life, seen, now, older_alive=older_alive)
            if decision.act is Act.START and not room.take(run.options.memory_mbytes):
                continue
            if decision.act is not Act.WAIT or decision.events:
                self._begin(name, run, seen, decision)
        for attempts in containers.values():
            for container in attempts.values():
                self._reap(container)

    def _room(self, runs: list[Run], survey: Mapping[str, Container]) -> _Room:
        """What is left of the capacity: live containers and starts under way take of it."""
        memory = {container_name(run.id, run.life.attempt): run.options.memory_mbytes for run in runs}
        alive = {name for name, container in survey.items() if container.phase is Phase.RUNNING}
        taken = alive | {name for name, mbytes in self._busy.items() if mbytes}
        return _Room(
            memory_mbytes=self._capacity.memory_mbytes - sum(memory.get(name, 0) for name in taken),
            containers=self._capacity.containers - len(taken),
            starts=STARTS_CONCURRENT_MAX - self._starting,
            is_empty=not taken,
        )

    def _begin(self, name: str, run: Run, seen: Container | None, decision: Decision) -> None:
        starting = decision.act is Act.START
        self._busy[name] = run.options.memory_mbytes if starting else 0
        self._starting += starting
        self._background.start(f"{decision.act} {name}", self._finish(name, run, seen, decision))

    async def _finish(self, name: str, run: Run, seen: Container | None, decision: Decision) -> None:
        try:
            await self._act(name, run, seen, decision)
        except StaleWrite:
            log.debug("run.changed_meanwhile", run_id=run.id)
        except BackendUnavailable as error:
            log.warning("run.backend_unavailable", run_id=run.id, act=decision.act, error=str(error))
            await self._clock.sleep(1)
        finally:
            del self._busy[name]
            self._starting -= decision.act is Act.START
            self._wake()

    async def _act(self, name: str, run: Run, seen: Container | None, decision: Decision) -> None:
        ended = seen is not None and seen.phase is Phase.EXITED
        if ended:
            await self._ingest.take(name)
        if decision.events:
            await self._database.write(lambda tx: self._save_in(tx, run, seen, decision))
        match decision.act:
            case Act.START:
                await self._start(name, run)
            case Act.STOP:
                await self._executor.stop(name)
            case Act.KILL:
                await self._executor.kill(name)
            case _ if ended:
                await self._executor.remove(name)
            case _:
                pass

    async def _start(self, name: str, run: Run) -> None:
        try:
            await self._executor.start(await self._spec_of(run))
        except BackendUnavailable:
            raise
        except ActoriumError as error:
            failed = Container(name=name, phase=Phase.EXITED, cause=Cause.NOT_STARTED, message=error.message)
            decision = Decision(Act.RECORD, (Event.START_FAILED,))
            await self._database.write(lambda tx: self._save_in(tx, run, failed, decision))

    def _save_in(self, tx: Tx, run: Run, seen: Container | None, decision: Decision) -> None:
        now = self._clock.now()
        for event in decision.events:
            after = replace(run, life=step(run.life, event, now, seen))
            run = save(tx, run, after, now=now, event_id=self._ids.new())
            log.info("run.status", run_id=run.id, status=run.status, cause=event, exit_code=run.life.exit_code)
        if seen is not None and seen.stats is not None:
            started = run.life.attempt_started_at or now
            latest = of(seen.stats, max(seen.stats.at - started, 0))
            measure(tx, run.id, attempt=run.life.attempt, latest=latest)

    def _reap(self, container: Container) -> None:
        """End and forget a container that no live row names: of an earlier attempt, or of a run that has ended."""
        if container.name not in self._busy:
            self._busy[container.name] = 0
            self._background.start(f"reap {container.name}", self._finish_reaping(container))

    async def _finish_reaping(self, container: Container) -> None:
        name = container.name
        try:
            if container.phase is not Phase.EXITED:
                await self._executor.kill(name)
                container = (await self._executor.survey()).get(name, container)
            await self._ingest.take(name)
            await self._database.write(lambda tx: self._measure_old_in(tx, container))
            await self._executor.remove(name)
        except BackendUnavailable as error:
            log.warning("container.not_reaped", container=name, error=str(error))
            await self._clock.sleep(1)
        finally:
            del self._busy[name]
            self._wake()

    def _measure_old_in(self, tx: Tx, container: Container) -> None:
        run_id, attempt = run_of(container.name)
        if container.stats is None or container.started_at is None or store.find(tx, run_id) is None:
            return
        latest = of(container.stats, max(container.stats.at - container.started_at, 0))
        measure(tx, run_id, attempt=attempt, latest=latest)


@dataclass(slots=True, kw_only=True)
class _Room:
    """What may still be started in this tick."""

    memory_mbytes: int
    containers: int
    starts: int
    is_empty: bool

    def take(self, memory_mbytes: int) -> bool:
        """Take room for a container. One that is larger than the whole machine may run alone."""
        fits = memory_mbytes <= self.memory_mbytes or self.is_empty
        if not fits or self.containers < 1 or self.starts < 1:
            self.starts = 0  # first come, first served: nobody overtakes the one that waits
            return False
        self.memory_mbytes -= memory_mbytes
        self.containers -= 1
        self.starts -= 1
        self.is_empty = False
        return True
