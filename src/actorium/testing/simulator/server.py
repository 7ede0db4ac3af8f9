"""One server process: the real features and loops, behind a wire. It may die at any await and start again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any, TypeVar

from actorium.blobs.memory import MemoryBlobs
from actorium.database.inline import Inline
from actorium.kernel.errors import ActoriumError, BackendUnavailable
from actorium.kernel.ids import Ids
from actorium.settings import Settings
from actorium.testing.builder import FakeBuilder
from actorium.testing.simulator.clock import SimulatedClock
from actorium.testing.simulator.loop import PROCESS, Process
from actorium.testing.simulator.machine import Machine
from actorium.testing.simulator.wire import Surroundings, Wire, WiredDatabase, WiredExecutor
from actorium.wiring import Features, Ground, Work

T = TypeVar("T")

SECRET = "the secret of a simulated installation"  # noqa: S105 - it protects nothing


class ConnectionLost(Exception):
    """The server died before it answered: who knows what it did."""


class Server:
    """A server that is started again after each death."""

    def __init__(
        self, around: Surroundings, number: int, *, node: str, database: Inline, blobs: MemoryBlobs, machine: Machine,
        clock: SimulatedClock, ids: Ids, settings: Settings, loops: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.name = f"server{number}"
        self._around = around
        self._node = node
        self._database = database
        self._blobs = blobs
        self._machine = machine
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._loops = loops
        self._process = Process(self.name)
        self._process.alive = False
        self._waiting: dict[asyncio.Future[Any], None] = {}
        self._features: Features | None = None
        self.crashes = 0

    @property
    def alive(self) -> bool:
        return self._process.alive

    def boot(self) -> None:
        """Start a new process."""
        self._process = Process(self.name)
        context = copy_context()
        context.run(PROCESS.set, self._process)
        context.run(self._begin)
        self._context = context
        self._around.note(self.name, "starts")

    def _begin(self) -> None:
        wire = Wire(self._around, self.name, self.die)
        self._features = Features(
            Ground(
                settings=self._settings,
                database=WiredDatabase(self._database, wire),
                blobs=self._blobs,
                executor=WiredExecutor(self._machine, wire),
                builder=FakeBuilder(),
                clock=self._clock,
                ids=self._ids,
                secret=SECRET,
                node=self._node,
                port=8010,
                base_url="http://127.0.0.1:8010",
                public_url="http://127.0.0.1:8010",
                port_is_free=lambda _host, _port: True,
            )
        )
        Work(self._features).start(only=self._loops)

    def die(self, where: str) -> None:
        """The process is killed; its clients see their connections break, and after a while another one starts."""
        if not self._process.alive:
            return
        self._process.alive = False
        self.crashes += 1
        self._around.note(self.name, "dies", where)
        for reply in self._waiting:
            if not reply.done():
                reply.set_exception(ConnectionLost())
        self._waiting = {}
        self._around.spawn(self._start_again())

    async def _start_again(self) -> None:
        chance = self._around.chance
        await self._around.pause(chance.between(0, 12 if chance.happens(0.2) else 2))
        self.boot()

    async def call(self, ask: Callable[[Features], Awaitable[T]]) -> T:
        """What a client gets for a request. Raises what the service raises, and ConnectionLost."""
        if not self.alive or self._features is None:
            raise ConnectionLost
        reply = self._around.loop.create_future()
        self._waiting[reply] = None
        self._around.loop.create_task(self._answer(ask, self._features, reply), context=self._context.copy())
        try:
            result: T = await reply
        finally:
            self._waiting.pop(reply, None)
        return result

    async def _answer(
        self, ask: Callable[[Features], Awaitable[T]], features: Features, reply: asyncio.Future[T]
    ) -> None:  # fmt: skip
        try:
            result = await ask(features)
        except (ActoriumError, AssertionError) as error:
            reply.set_exception(error)
        else:
            reply.set_result(result)


UNKNOWN = (BackendUnavailable, ConnectionLost)
"""After these a client does not know whether what it asked for was done."""
