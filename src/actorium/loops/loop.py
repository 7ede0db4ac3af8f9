"""One background loop: a tick, a period, and a way to be woken before it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from actorium.kernel.clock import Clock
from actorium.kernel.ids import Ids

log = structlog.get_logger()

BACKOFF_SECS_MAX = 30.0  # how long a failing loop waits at the most before it tries again
JITTER = 0.1  # the part of a period by which loops are spread


class Loop:
    """Calls ``tick`` each period, at once when woken, later and later while it fails.

    The period is the truth, wakes are only hints: a tick reads what there is to do from the tables.
    """

    def __init__(
        self, name: str, tick: Callable[[], Awaitable[None]], *, period_secs: float, clock: Clock, ids: Ids
    ) -> None:
        self.name = name
        self._tick = tick
        self._period_secs = period_secs
        self._clock = clock
        self._ids = ids
        self._woken = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Tick again as soon as the running tick is over."""
        self._woken.set()

    async def run(self) -> None:
        """Tick for ever; ends by cancellation between or within ticks."""
        while True:
            self._woken.clear()
            await self._tick_once()
            pause = self._period_secs * (1 + JITTER * self._ids.jitter())
            if self._failures:
                pause = min(self._period_secs * 2**self._failures, BACKOFF_SECS_MAX)
                await self._clock.sleep(pause)
                continue
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _tick_once(self) -> None:
        started = self._clock.monotonic()
        try:
            await self._tick()
        except Exception as error:  # a loop outlives what a tick meets; the next tick reads everything again
            self._failures = min(self._failures + 1, 10)
            log.error("loop.failed", loop=self.name, failures=self._failures, error=str(error), exc_info=error)
        else:
            if self._failures:
                log.info("loop.recovered", loop=self.name, failures=self._failures)
            self._failures = 0
            log.debug("loop.ticked", loop=self.name, secs=round(self._clock.monotonic() - started, 4))
