"""Makes containers match rows and rows match containers. Nothing else starts, stops, kills or removes a container.

Each tick reads the rows first and surveys second: a container that a row knows and the survey does not is gone for
sure, while one that started in between is merely seen early. What to do is decided by ``lifecycle.decide``; what
is done may be repeated, because a tick after a crash decides the same again.

A supervisor acts for the runs of its node and for those that belong to none yet: it claims one, by compare-and-set,
before it starts a container of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

import structlog

from actorium.database import Database, Tx
from actorium.executors import Cause, Container, Executor, Phase, Spec
from actorium.kernel.clock import Clock
from actorium.kernel.errors import ActoriumError, BackendUnavailable, StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.limits import ACT_RETRY_SECS, LOG_LOOK_SECS, STARTS_CONCURRENT_MAX
from actorium.logs.service import append_once_in
from actorium.loops.background import Background, outlived
from actorium.runs import nodes, store
from actorium.runs.capacity import Capacity, Room, in_turn
from actorium.runs.changes import save
from actorium.runs.facts import measure
from actorium.runs.ingest import Ingest
from actorium.runs.lifecycle import TERMINAL, Act, Decision, Event, RunStatus, container_name, decide, run_of, step
from actorium.runs.log_lines import of_old_container
from actorium.runs.measurements import of
from actorium.runs.metering import RunMeter
from actorium.runs.row import Run

log = structlog.get_logger()

GIVES_UP = frozenset({Event.EXITED, Event.LOST})
"""Ends of an attempt; where no container was seen, the name is buried first, lest a late call start it after all."""


class Supervisor:
    """Drives every live run towards its end."""

    def __init__(
        self, database: Database, executor: Executor, *, node: str, ingest: Ingest, meter: RunMeter,
        spec_of: Callable[[Run], Awaitable[Spec]], capacity: Capacity, background: Background, clock: Clock,
        ids: Ids, wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._executor = executor
        self._node = node
        self._ingest = ingest
        self._meter = meter
        self._spec_of = spec_of
        self._capacity = capacity
        self._background = background
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._busy: set[str] = set()
        """Containers that something is being done about."""
        self._starting: set[str] = set()
        self._spared: set[str] = set()
        """Containers that were given time beyond their deadline: they are told once by each server."""
        self._known: dict[str, Run] = {}
        """The live runs of the last tick: most have not changed since, and are not decoded again."""
        self._logs_due = 0.0

    async def tick(self) -> None:
        """One look at everything. Acts run beside each other; each wakes the loop when it is done."""
        runs, known_nodes = await self._database.read(lambda tx: (store.live(tx, self._known), nodes.known(tx)))
        self._known = {run.id: run for run in runs}
        survey = await self._executor.survey()
        self._spared &= survey.keys()
        now = self._clock.now()
        node = known_nodes.get(self._node)
        if node is None or node.is_due(now):
            await self._database.write(lambda tx: nodes.seen(tx, self._node, now))
        containers: dict[str, dict[int, Container]] = defaultdict(dict)
        for name, container in survey.items():
            run_id, attempt = run_of(name)
            containers[run_id][attempt] = container
        mine = [run for run in runs if run.life.node in (None, self._node)]
        room = self._room(mine, survey)
        for run in in_turn(mine, room.held, self._capacity):
            self._look(run, containers[run.id], now, room, is_draining=node is not None and node.is_draining)
        for run in runs:
            owner = known_nodes.get(run.life.node or self._node)
            if run.life.node != self._node and owner is not None and owner.is_lost(now):
                self._give_up(run)
        for attempts in containers.values():
            for container in attempts.values():
                self._reap(container)
        self._take_logs(survey)

    def _look(self, run: Run, mine: dict[int, Container], now: Instant, room: Room, *, is_draining: bool) -> None:
        """Begin what is to be done about one run. Its present container is taken out of ``mine``."""
        name = container_name(run.id, run.life.attempt)
        seen = mine.pop(run.life.attempt, None)
        if name in self._busy:
            return
        older_there = self._older_there(run, mine)
        decision = decide(run.life, seen, now, older_there=older_there, is_draining=is_draining)
        if decision.act is Act.RELEASE and run.life.node is None:
            return
        if decision.act is Act.START:
            if not room.take(run):
                return
            self._starting.add(name)
        if decision.act is Act.SPARE and name in self._spared:
            return
        if decision.act is not Act.WAIT or decision.events:
            self._begin(decision.act, name, partial(self._act, name, run, seen, decision))

    def _give_up(self, run: Run) -> None:
        """Record the end of a run whose machine is gone: its container's name is not on this one."""
        name = container_name(run.id, run.life.attempt)
        if name not in self._busy:
            decision = Decision(Act.RECORD, (Event.NODE_LOST,))
            self._begin("give up", name, partial(self._act, name, run, None, decision))

    def _older_there(self, run: Run, mine: Mapping[int, Container]) -> bool:
        """Whether an earlier attempt's container is not wholly gone: it holds the web port, and its log comes first."""
        earlier = range(1, run.life.attempt)
        return any(attempt in mine or container_name(run.id, attempt) in self._busy for attempt in earlier)

    def _room(self, runs: list[Run], survey: Mapping[str, Container]) -> Room:
        """What is left of the capacity. A run keeps its place from its first start to its end, over its attempts."""
        there = {run_of(name)[0] for name, container in survey.items() if container.phase is not Phase.EXITED}
        there |= {run_of(name)[0] for name in self._starting}
        held = there | {run.id for run in runs if run.status is not RunStatus.READY and run.life.node is not None}
        return Room(
            memory_mbytes=self._capacity.memory_mbytes - sum(r.options.memory_mbytes for r in runs if r.id in held),
            containers=self._capacity.containers - len(held),
            starts=STARTS_CONCURRENT_MAX - len(self._starting),
            held=held,
        )

    def _take_logs(self, survey: Mapping[str, Container]) -> None:
        """Hints may be lost, and nobody heard those of the time when no server was there."""
        if self._clock.monotonic() < self._logs_due:
            return
        self._logs_due = self._clock.monotonic() + LOG_LOOK_SECS
        for name, container in survey.items():
            if container.phase is Phase.RUNNING:
                self._ingest.hint(name)

    def _begin(self, kind: str, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._busy.add(name)
        self._background.start(f"{kind} {name}", self._finish(kind, name, work))

    async def _finish(self, kind: str, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do one thing; what fails is tried again by a later tick, after a pause."""
        try:
            if not await outlived(f"{kind} {name}", self._attempt(kind, name, work)):
                await self._clock.sleep(ACT_RETRY_SECS)
        finally:
            self._busy.discard(name)
            self._starting.discard(name)
            self._wake()

    async def _attempt(self, kind: str, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StaleWrite:
            log.debug("run.changed_meanwhile", container=name)
        except BackendUnavailable as error:
            log.warning("run.backend_unavailable", container=name, act=kind, error=str(error))
            await self._clock.sleep(ACT_RETRY_SECS)

    async def _act(self, name: str, run: Run, seen: Container | None, decision: Decision) -> None:
        ended = seen is not None and seen.phase is Phase.EXITED
        if ended:
            await self._ingest.take(name)
            await self._meter.flush(run.id)
        if seen is None and GIVES_UP & {*decision.events} and not await self._executor.bury(name):
            return  # it was started late; the next tick sees it
        saved = run
        if decision.events:
            saved = await self._database.write(lambda tx: self._save_in(tx, run, seen, decision), lane=run.owner_id)
        match decision.act:
            case Act.START:
                await self._start(name, await self._database.write(lambda tx: self._give_in(tx, run, self._node)))
            case Act.RELEASE:
                if await self._executor.bury(name):  # not before: a name that the run still has would never start
                    await self._database.write(lambda tx: self._give_in(tx, saved, None))
            case _ if ended:
                await self._executor.remove(name)
            case Act.KILL if not await self._is_due(run, seen):
                pass
            case _:
                await self._tell(name, decision.act)

    async def _is_due(self, run: Run, seen: Container | None) -> bool:
        """Whether a container is still to be killed: an abort may have given it more time since its row was read."""
        found = await self._database.read(lambda tx: store.find(tx, run.id))
        if found is None or found.life.attempt != run.life.attempt or found.status in TERMINAL:
            return False
        return decide(found.life, seen, self._clock.now(), older_there=True).act is Act.KILL

    async def _tell(self, name: str, act: Act) -> None:
        """Let the executor do something with a container that goes on."""
        match act:
            case Act.STOP:
                await self._executor.stop(name)
            case Act.SPARE:
                await self._executor.spare(name)
                self._spared.add(name)
            case Act.KILL:
                await self._executor.kill(name)
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
            await self._database.write(lambda tx: self._save_in(tx, run, failed, decision), lane=run.owner_id)

    def _give_in(self, tx: Tx, run: Run, node: str | None) -> Run:
        """Give a run to a node, or to whoever has room. Raises StaleWrite.

        A node's own run is written, too: another server of the node may be about to let go of it, and one of both wins.
        """
        if run.life.node is None and node is None:
            return run
        after = replace(run, life=replace(run.life, node=node))
        return save(tx, run, after, now=self._clock.now(), event_id=self._ids.new())

    def _save_in(self, tx: Tx, run: Run, seen: Container | None, decision: Decision) -> Run:
        now, attempt = self._clock.now(), run.life.attempt
        for event in decision.events:
            after = replace(run, life=step(run.life, event, now, seen))
            run = save(tx, run, after, now=now, event_id=self._ids.new())
            log.info("run.status", run_id=run.id, status=run.status, cause=event, exit_code=run.life.exit_code)
        if seen is not None and seen.stats is not None:
            latest = of(seen.stats, max(seen.stats.at - (seen.started_at or now), 0))
            measure(tx, run.id, attempt=attempt, latest=latest)
        return run

    def _reap(self, container: Container) -> None:
        """End and forget a container that no live row names: of an earlier attempt, or of a run that has ended."""
        if container.name not in self._busy:
            self._begin("reap", container.name, partial(self._put_away, container))

    async def _put_away(self, container: Container) -> None:
        name = container.name
        if await self._database.read(lambda tx: self._is_named(store.find(tx, run_of(name)[0]), name)):
            return  # another server has started it since this one read the rows
        if container.phase is not Phase.EXITED:
            await self._executor.kill(name)
            container = (await self._executor.survey()).get(name, container)
        await self._ingest.take(name)
        await self._database.write(lambda tx: self._close_old_in(tx, container))
        await self._executor.remove(name)

    def _close_old_in(self, tx: Tx, container: Container) -> None:
        run_id, attempt = run_of(container.name)
        run = store.find(tx, run_id)
        if run is None:
            return
        line = of_old_container(run, attempt, container.started_at)
        if line is not None:
            append_once_in(tx, run_id, (self._clock.now(), line))
        if container.stats is not None and container.started_at is not None:
            latest = of(container.stats, max(container.stats.at - container.started_at, 0))
            measure(tx, run_id, attempt=attempt, latest=latest)

    def _is_named(self, run: Run | None, name: str) -> bool:
        """Whether a container is that of a live run's present attempt on this node."""
        if run is None or run.status in TERMINAL or run.life.node not in (None, self._node):
            return False
        return name == container_name(run.id, run.life.attempt)
