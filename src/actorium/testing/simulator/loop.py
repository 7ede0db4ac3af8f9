"""An event loop under a seed: which of the ready steps comes next is chance, time passes only when none is ready.

Steps belong to the process that was in force when they were made (a context variable, inherited by tasks). Those of a
process that has died are never run, which is what ``kill -9`` does to coroutines: no cancellation, no ``finally``.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any, TypeVar

from actorium.testing.simulator.chance import Chance

T = TypeVar("T")

STEPS_MAX = 300_000  # of one history; the longest honest ones need some ten thousand


class Stuck(Exception):
    """Nothing is left that could happen, or the same things happen for ever."""


class Process:
    """Something that may die between two steps."""

    __slots__ = ("alive", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Step:
    """One call that will be made; what asyncio knows as a handle."""

    __slots__ = ("_is_cancelled", "_when", "arguments", "callback", "context")

    def __init__(self, callback: Callable[..., Any], arguments: tuple[Any, ...], context: Context, when: float) -> None:
        self.callback = callback
        self.arguments = arguments
        self.context = context
        self._when = when
        self._is_cancelled = False

    def cancel(self) -> None:
        self._is_cancelled = True

    def cancelled(self) -> bool:
        return self._is_cancelled

    def when(self) -> float:
        return self._when


class SeededLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks, futures, events, queues and timeouts need. No sockets, no threads."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._now = 0.0
        self._ready: list[Step] = []
        self._timers: list[tuple[float, int, Step]] = []
        self._order = count()
        self._tasks: list[asyncio.Task[Any]] = []
        """All of them, until the end: so that nothing ends by the garbage collector, whose time is no seed's."""
        self.steps = 0

    def play(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end. Raises Stuck."""
        asyncio._set_running_loop(self)  # noqa: SLF001 - what every event loop does
        try:
            task = self.create_task(work)
            while not task.done():
                self._turn()
            return task.result()
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001

    def _turn(self) -> None:
        ready = self._ready
        if not ready:
            self._pass_time()
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise Stuck(f"{STEPS_MAX} steps and no end: something goes round in circles")
        place = self._chance.below(len(ready))
        ready[place], ready[-1] = ready[-1], ready[place]
        step = ready.pop()
        process = step.context.get(PROCESS)
        if step.cancelled() or (process is not None and not process.alive):
            return
        step.context.run(step.callback, *step.arguments)

    def _pass_time(self) -> None:
        """To the next moment at which something is due."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Stuck("everybody waits for somebody else")
        self._now = timers[0][0]
        while timers and timers[0][0] == self._now:
            self._ready.append(heapq.heappop(timers)[2])

    def finish(self) -> None:
        """Let go of everything that has not ended, without running it."""
        for task in self._tasks:
            if not task.done():
                coroutine = task.get_coro()
                assert isinstance(coroutine, Coroutine)
                try:
                    coroutine.close()
                except RuntimeError:
                    continue  # it awaits something on its way out
        self._ready.clear()
        self._timers.clear()
        self._tasks.clear()

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *arguments: Any, context: Context | None = None
    ) -> Step:
        step = Step(callback, arguments, copy_context() if context is None else context, self._now)
        self._ready.append(step)
        return step

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *arguments: Any, context: Context | None = None
    ) -> Step:
        step = Step(callback, arguments, copy_context() if context is None else context, max(when, self._now))
        heapq.heappush(self._timers, (step.when(), next(self._order), step))
        return step

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *arguments: Any, context: Context | None = None
    ) -> Step:
        return self.call_at(self._now + delay, callback, *arguments, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, work: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        task = asyncio.Task(work, loop=self, name=name or "task", context=context)
        self._tasks.append(task)
        return task

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tasks that were dropped, and errors nobody asked for: both are what crashes are about."""


def seeded(chance: Chance) -> SeededLoop:
    """A new loop."""
    return SeededLoop(chance)  # type: ignore[abstract]  # what it leaves out nobody calls


async def pause(loop: asyncio.AbstractEventLoop, secs: float) -> None:
    """Let time pass; nothing at all for 0."""
    if secs > 0:
        over = loop.create_future()
        loop.call_later(secs, over.set_result, None)
        await over


async def never(loop: asyncio.AbstractEventLoop) -> None:
    """What follows for a process that has just died."""
    await loop.create_future()


Work = Callable[[], Awaitable[T]]
