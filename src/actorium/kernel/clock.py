"""Time as an argument. The only file that reads the machine's clock or sleeps."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from actorium.kernel.instant import Instant


class Clock(Protocol):
    """What the time is, and how to wait for it. Tests and the simulator bring their own."""

    def now(self) -> Instant: ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, for measuring durations."""
        ...

    async def sleep(self, secs: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000_000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, secs: float) -> None:
        await asyncio.sleep(secs)
