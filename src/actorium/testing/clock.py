"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Generator
from itertools import count

from actorium.kernel.instant import Instant

START = Instant(1_767_225_600_000)  # 2026-01-01T00:00:00.000Z


class ManualClock:
    """Time as a test wants it: ``advance`` moves it and wakes those whose sleep is over, in order."""

    def __init__(self, now: Instant = START) -> None:
        self._now = now
        self._started = now
        self._order = count()
        self._sleepers: list[tuple[Instant, int, asyncio.Event]] = []

    def now(self) -> Instant:
        return self._now

    def monotonic(self) -> float:
        return self._started.secs_until(self._now)

    async def sleep(self, secs: float) -> None:
        """Wait until the clock was moved this far."""
        if secs <= 0:
            await _Turn()
            return
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now.plus(secs=secs), next(self._order), woken))
        await woken.wait()

    async def advance(self, secs: float) -> None:
        """Move on. Each sleeper wakes at its own time and runs until it waits again before later ones wake."""
        until = self._now.plus(secs=secs)
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            woken.set()
            await self._settle()
        self._now = until
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(TURNS):
            await _Turn()


class _Turn:
    """One turn of the event loop."""

    def __await__(self) -> Generator[None, None, None]:
        yield


TURNS = 10  # turns of the event loop that woken tasks get before time goes on
