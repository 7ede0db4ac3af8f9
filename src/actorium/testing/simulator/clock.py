"""A clock on the loop's time, which somebody may set."""

from __future__ import annotations

from actorium.kernel.instant import Instant
from actorium.testing.clock import START
from actorium.testing.simulator.loop import SeededLoop, pause


class SimulatedClock:
    """What the machine's clock says: durations are true, the time of day is what it was set to."""

    def __init__(self, loop: SeededLoop) -> None:
        self._loop = loop
        self._ahead_secs = 0.0
        self.set_back_secs = 0.0
        """By how much it was set back, in all."""

    def now(self) -> Instant:
        return START.plus(secs=self._loop.time() + self._ahead_secs)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, secs: float) -> None:
        """Wait until so much time has passed."""
        await pause(self._loop, max(secs, 1e-6))

    def jump(self, secs: float) -> None:
        """Set the clock forward, or back."""
        self._ahead_secs += secs
        self.set_back_secs += max(-secs, 0)
