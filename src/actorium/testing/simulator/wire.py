"""What lies between a server and the rest: calls take time, get lost or come twice, and at each the server may die."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from actorium.database import Tx, Work
from actorium.database.inline import Inline
from actorium.database.wakes import Listener
from actorium.executors import Container, Cursor, Hint, LogRead, Spec, Stats
from actorium.kernel.errors import BackendUnavailable
from actorium.testing.simulator.chance import Chance, Weather
from actorium.testing.simulator.loop import SeededLoop, never
from actorium.testing.simulator.machine import Machine

T = TypeVar("T")

READS = 0.05  # how often a reading call meets trouble, as part of how often others do: most calls only look


class Surroundings(Protocol):
    """What a wire needs of the history it is part of."""

    loop: SeededLoop
    chance: Chance

    @property
    def weather(self) -> Weather: ...

    def note(self, *words: object) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...

    async def pause(self, secs: float) -> None: ...

    def commits(self, tx: Tx) -> None:
        """Look at what a transaction is about to commit."""
        ...


class Wire:
    """One server's calls. ``die`` ends the server; whoever called it is never heard of again."""

    def __init__(self, around: Surroundings, name: str, die: Callable[[str], None]) -> None:
        self.around = around
        self._name = name
        self._die = die

    async def crash(self, where: str, part: float = 1.0) -> None:
        """The server dies here, or not."""
        around = self.around
        if around.chance.happens(around.weather.crash * part):
            self._die(where)
            await never(around.loop)

    def delay(self, part: float = 1.0) -> float:
        around = self.around
        often = around.weather.slow * part
        if around.chance.happens(often if part > READS else max(often, around.weather.late)):
            return around.chance.between(0, 6)
        return around.chance.between(0, 0.02) if around.chance.happens(0.3) else 0.0

    async def send(self, what: str, name: str, work: Callable[[], Awaitable[T]], *, part: float = 1.0) -> T:
        """A call to the machine. It arrives whatever becomes of the server, and perhaps once more."""
        around = self.around
        await self.crash(f"before {what} {name}", part)
        if around.chance.happens(around.weather.refuse * part):
            await around.pause(self.delay())
            around.note(self._name, what, name, "does not arrive")
            raise BackendUnavailable(f"{what} did not arrive.")
        reply = around.loop.create_future()
        around.spawn(self._deliver(what, name, work, reply, part))
        result: T = await reply
        await self.crash(f"after {what} {name}", part)
        return result

    async def _deliver(
        self, what: str, name: str, work: Callable[[], Awaitable[T]], reply: Any, part: float
    ) -> None:  # fmt: skip
        around = self.around
        await around.pause(self.delay(part))
        if around.chance.happens(around.weather.repeat * part):
            around.spawn(self._repeat(what, name, work))
        try:
            result = await work()
        except BackendUnavailable as error:
            reply.set_exception(error)
            return
        await around.pause(self.delay(part))
        if around.chance.happens(around.weather.lose * part):
            around.note(self._name, what, name, "reply is lost")
            reply.set_exception(BackendUnavailable(f"The reply to {what} was lost."))
        else:
            reply.set_result(result)

    async def _repeat(self, what: str, name: str, work: Callable[[], Awaitable[object]]) -> None:
        around = self.around
        await around.pause(around.chance.between(0, 20 if around.chance.happens(0.3) else 1))
        around.note("wire", what, name, "arrives again")
        with suppress(BackendUnavailable):
            await work()


class WiredExecutor:
    """The machine, as a server reaches it."""

    def __init__(self, machine: Machine, wire: Wire) -> None:
        self._machine = machine
        self._wire = wire

    async def start(self, spec: Spec) -> None:
        await self._wire.send("start", spec.name, partial(self._machine.start, spec))

    async def survey(self) -> Mapping[str, Container]:
        return await self._wire.send("survey", "", self._machine.survey, part=READS)

    async def stop(self, name: str) -> None:
        await self._wire.send("stop", name, partial(self._machine.stop, name))

    async def spare(self, name: str) -> None:
        await self._wire.send("spare", name, partial(self._machine.spare, name))

    async def kill(self, name: str) -> None:
        await self._wire.send("kill", name, partial(self._machine.kill, name))

    async def remove(self, name: str) -> None:
        await self._wire.send("remove", name, partial(self._machine.remove, name))

    async def bury(self, name: str) -> bool:
        return await self._wire.send("bury", name, partial(self._machine.bury, name))

    async def logs(self, name: str, after: Cursor | None) -> LogRead:
        return await self._wire.send("logs", name, partial(self._machine.logs, name, after), part=0.3)

    async def stats(self, name: str) -> Stats | None:
        return await self._machine.stats(name)

    async def web_server_ready(self, name: str) -> bool:
        return await self._machine.web_server_ready(name)

    async def watch(self) -> AsyncIterator[tuple[str, Hint]]:
        around = self._wire.around
        async for hint in self._machine.watch():
            if around.chance.happens(around.weather.lose):
                continue
            yield hint
            if around.chance.happens(around.weather.repeat):
                yield hint

    async def close(self) -> None:
        """The machine goes on."""


class WiredDatabase:
    """The database, as a server reaches it. Every commit is looked at while it can still be read as one."""

    catalog = Inline.catalog
    preamble = Inline.preamble

    def __init__(self, database: Inline, wire: Wire) -> None:
        self._database = database
        self._wire = wire

    async def read(self, work: Work[T], /) -> T:
        around = self._wire.around
        await self._wire.crash("before a read", READS)
        if around.chance.happens(around.weather.refuse * READS):
            raise BackendUnavailable
        await around.pause(self._wire.delay(READS))
        found = await self._database.read(work)
        await around.pause(self._wire.delay(READS))
        return found

    async def write(self, work: Work[T], /, *, lane: str = "") -> T:
        around = self._wire.around
        await self._wire.crash("before a write")
        if around.chance.happens(around.weather.refuse * 0.3):
            raise BackendUnavailable
        await around.pause(self._wire.delay(0.3))
        result = await self._database.write(partial(self._watched, work), lane=lane)
        await self._wire.crash("after a write")
        await around.pause(self._wire.delay(0.3))
        if around.chance.happens(around.weather.lose * 0.3):
            around.note("database", "reply is lost")
            raise BackendUnavailable
        return result

    def _watched(self, work: Work[T], tx: Tx) -> T:
        around = self._wire.around
        if around.chance.happens(around.weather.again):
            tx.run("SAVEPOINT again")
            work(tx)
            tx.run("ROLLBACK TO again")
        result = work(tx)
        around.commits(tx)
        return result

    def version(self) -> int | None:
        return None

    def listen(self, channel: str) -> Listener:
        return self._database.listen(channel)

    async def close(self) -> None:
        """The database goes on."""
