"""One history: a seed decides the weather, everybody plays in it, then it is calm and everything has to end."""

from __future__ import annotations

import asyncio
import hashlib
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from actorium.blobs.memory import MemoryBlobs
from actorium.database import Tx
from actorium.kernel.errors import ActoriumError, StaleWrite
from actorium.kernel.ids import SeededIds
from actorium.runs import nodes
from actorium.runs.lifecycle import run_of
from actorium.settings import Settings
from actorium.testing.simulator import journal
from actorium.testing.simulator.beginning import EVENT, beginning
from actorium.testing.simulator.chance import CALM, Chance, Weather, weather
from actorium.testing.simulator.clients import BY_PROGRAMS, DONE, UNKNOWN_DONE, Clients
from actorium.testing.simulator.clock import SimulatedClock
from actorium.testing.simulator.hearing import hearing
from actorium.testing.simulator.loop import Stuck, pause, seeded
from actorium.testing.simulator.machine import Life, Machine
from actorium.testing.simulator.oracle import TERMINAL, Oracle
from actorium.testing.simulator.server import Server

CALM_SECS_MAX = 150.0  # in which everything ends: 30 s of a graceful abort, 30 s of a loop's back-off, twice over
LOOK_SECS = 2.0  # how often the end is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one history came to."""

    seed: int
    failures: tuple[str, ...]
    """What was wrong; empty: nothing."""
    trace: tuple[str, ...]
    counts: Counter[str]

    @property
    def digest(self) -> str:
        """The same for the same trace."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()[:16]


def play(seed: int) -> Outcome:
    """Play one history to its end, or to the first thing that is wrong."""
    history = History(seed)
    with hearing(history.hear):
        try:
            history.loop.play(history.play())
        except Stuck as error:
            history.failures.append(str(error))
        history.loop.finish()
    return Outcome(
        seed=seed, failures=tuple(history.failures), trace=tuple(history.trace), counts=history.count()
    )  # fmt: skip


class History:
    """Everything that one history consists of."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed)
        self.loop = seeded(self.chance)
        self.clock = SimulatedClock(self.loop)
        self.failures: list[str] = []
        self.trace: list[str] = []
        self.is_calm = False
        self._stormy = weather(self.chance)
        self._beginning = beginning()
        self._database = self._beginning.database.copy()
        self.machines = {f"node{number}": Machine(self) for number in range(self._stormy.nodes)}
        self.oracle = Oracle(self.clock, self._life, fail=self.fail, note=self.note)
        self.watcher = self.oracle
        settings = Settings(concurrent_runs=self._stormy.places, memory_mbytes=64_000)
        self.ids = SeededIds(seed)
        blobs, names = MemoryBlobs(), list(self.machines)
        self.servers = [
            Server(
                self, number, node=(node := names[number % len(names)]), database=self._database, blobs=blobs,
                machine=self.machines[node], clock=self.clock, ids=self.ids, settings=settings,
                loops=self._stormy.loops,
            )
            for number in range(self._stormy.servers)
        ]  # fmt: skip
        self.clients = Clients(self, self._beginning.principal, self._beginning.actor)

    async def play(self) -> None:
        """The storm, the calm, and a look at what is left."""
        stormy = self._stormy
        self.note("weather", stormy)
        await journal.install(self._database)
        for server in self.servers:
            server.boot()
        for number in range(stormy.clients):
            share = (stormy.runs + number) // stormy.clients
            self.spawn(self.clients.play(share))
        self.spawn(self._meddle())
        while self.stormy_secs_left() and not self.failures:
            await self.pause(min(LOOK_SECS, self.stormy_secs_left()))
        self.is_calm = True
        self.note("calm")
        for node in self.machines:
            await self._drain(node, is_draining=False)
        until = self.loop.time() + CALM_SECS_MAX
        while not self.failures and not self._is_over():
            if self.loop.time() > until:
                self.fail(f"no end after {CALM_SECS_MAX:g} s of calm: {self._left()}")
            await self.pause(LOOK_SECS)
        if not self.failures:
            await self._database.read(self._check_rest)

    def _is_over(self) -> bool:
        return (
            all(server.alive for server in self.servers)
            and all(run.status in TERMINAL for run in self.oracle.runs())
            and not self._there()
        )

    def _left(self) -> str:
        live = [f"{run.id} is {run.status}" for run in self.oracle.runs() if run.status not in TERMINAL]
        return ", ".join([*live, *(f"container {name}" for name in self._there())]) or "a server is down"

    def _there(self) -> list[str]:
        return [name for machine in self.machines.values() for name in machine.there()]

    def _life(self, name: str, node: str | None) -> Life | None:
        """What truly became of a run's container on its node."""
        return None if node is None else self.machines[node].life(name)

    async def _drain(self, node: str, *, is_draining: bool) -> None:
        self.note("operator", "drains" if is_draining else "takes back", node)
        await self._database.write(partial(nodes.drain, node=node, is_draining=is_draining))

    async def _meddle(self) -> None:
        """What happens at no particular call."""
        weather, chance = self._stormy, self.chance
        while not self.is_calm:
            await self.pause(1)
            if self.stormy_secs_left() <= 0:
                return
            if chance.happens(weather.jump):
                secs = chance.between(0, 60) if chance.happens(0.5) else -chance.between(0, 3)
                self.note("clock", f"jumps by {secs:.1f} s")
                self.clock.jump(secs)
            if chance.happens(weather.drain):
                await self._drain(chance.pick(list(self.machines)), is_draining=chance.happens(0.6))
            if chance.happens(weather.crash):
                chance.pick(self.servers).die("at any step")

    def _check_rest(self, tx: Tx) -> None:
        """What can be said once everything has ended."""
        ledger = self.clients.ledger
        for run in self.oracle.runs():
            for verb, counted in (
                ("reboot", run.life.reboot_count),
                ("resurrect", run.life.resurrect_count),
                ("metamorph", len(run.document.metamorphs)),
            ):
                done, unknown = (ledger.of(run.id, verb, answer) for answer in (DONE, UNKNOWN_DONE))
                least = 0 if verb == "reboot" and run.id in self.oracle.told else done
                if not least <= counted <= done + unknown:
                    self.fail(f"{run.id} counts {verb} {counted} times; {done} were done, {unknown} perhaps")
            rows = tx.all("SELECT payload FROM log_chunks WHERE subject_id = :id ORDER BY position", id=run.id)
            least, most = ledger.charged(run.id)
            row = tx.one("SELECT amount FROM run_charges WHERE run_id = :id AND event = :event", id=run.id, event=EVENT)
            if not least <= (charged := row["amount"] if row else 0) <= most:
                self.fail(
                    f"{run.id} is charged {charged} times; {least} were acknowledged, {most - least} perhaps done"
                )
            text = b"".join(bytes(row["payload"]) for row in rows).decode()
            self.oracle.check_log(run.id, text, self._lives(run.id))
            for table in journal.STORAGES:
                ids = getattr(run.document.storage_ids, table).values()
                if any(tx.one(f"SELECT id FROM {table} WHERE id = :id", id=one) is None for one in ids):
                    self.fail(f"{run.id} has lost a storage of {table}")

    def _lives(self, run_id: str) -> list[Life]:
        named = [pair for machine in self.machines.values() for pair in machine.lives.items()]
        return [life for name, lives in named if run_of(name)[0] == run_id for life in lives]

    # What everybody is given

    @property
    def weather(self) -> Weather:
        return CALM if self.is_calm else self._stormy

    def stormy_secs_left(self) -> float:
        return max(self._stormy.stormy_secs - self.loop.time(), 0)

    def note(self, *words: object) -> None:
        self.trace.append(f"{self.loop.time():9.3f} {' '.join(map(str, words))}")

    def fail(self, what: str) -> None:
        self.note("WRONG", what)
        self.failures.append(what)

    def hear(self, level: str, event: dict[str, Any]) -> None:
        """What servers log becomes part of the trace; an error that nobody foresaw is something wrong."""
        error = event.pop("exc_info", None)
        said = " ".join(f"{key}={value}" for key, value in event.items())
        self.note("log", level, said, repr(error) if error else "")
        if error is not None and not isinstance(error, ActoriumError | StaleWrite):
            self.fail(f"an error that nobody foresaw: {error!r} in {said}")

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something happen beside everything else, whatever becomes of the servers."""
        self.loop.create_task(work, context=Context()).add_done_callback(self._look_back)

    def _look_back(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fail("".join(traceback.format_exception(error)))

    async def pause(self, secs: float) -> None:
        await pause(self.loop, secs)

    async def together(self, *works: Callable[[], Awaitable[None]]) -> None:
        """Do several things at the same moment."""
        tasks = [self.loop.create_task(_awaited(work)) for work in works]
        for task in tasks:
            await task

    def servers_alive(self) -> list[Server]:
        return [server for server in self.servers if server.alive]

    def commits(self, tx: Tx) -> None:
        self.oracle.commits(tx)

    async def ask(self, container: str) -> None:
        """A program asks for something about its own run."""
        run_id, _ = run_of(container)
        verb = self.chance.weighted(BY_PROGRAMS)
        await self.clients.ask(verb, run_id, replace(self._beginning.principal, run_id=run_id))

    async def charge(self, container: str, number: int) -> None:
        """A program charges for what it does, with keys that no other program has."""
        run_id, _ = run_of(container)
        for place in range(1 + self.chance.below(3)):
            await self.pause(self.chance.between(0, 1))
            await self.clients.charge(
                replace(self._beginning.principal, run_id=run_id), f"{container} {number} {place}"
            )

    def count(self) -> Counter[str]:
        """How much happened."""
        counts: Counter[str] = Counter()
        counts["histories"] = 1
        counts["crashes"] = sum(server.crashes for server in self.servers)
        counts["containers"] = sum(len(lives) for machine in self.machines.values() for lives in machine.lives.values())
        counts["steps"] = self.loop.steps
        for (_, verb, answer), count in self.clients.ledger.counts.items():
            counts[f"{verb} {answer.partition(' ')[0]}"] += count
        for run in self.oracle.runs():
            counts[run.status.lower()] += 1
        counts["charges acknowledged"] = sum(self.clients.ledger.charged(one)[0] for one in self.clients.ledger.charges)
        return counts


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
