"""Noticing that files have changed, by looking.

Looking needs no watches of the kernel's, which run out in large folders and never come from network and shared ones; it
costs a stat a file and sees exactly the files that would be sent. See docs/decisions/0036.
"""

from __future__ import annotations

from collections.abc import Callable

from actorium.caller.actor_folder import State
from actorium.kernel.clock import Clock

LOOK_SECS = 0.2  # between two looks at the folder
LOOK_PART = 0.05  # of a core's time that looking may take: a large folder is looked at less often
SETTLE_SECS = 0.1  # files must stay the same for so long: editors and Git write several, and in steps


class Watch:
    """Looks from when it is made."""

    def __init__(self, look: Callable[[], State], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._pause = LOOK_SECS
        self._seen = self._state()
        self.changes: list[str] = []
        """Which files differ since the look before the last change."""

    async def changed(self) -> None:
        """Wait until files have changed and stay as they are for a moment. What ``look`` raises is raised."""
        while True:
            now = await self._later(self._pause)
            if now == self._seen:
                continue
            while (later := await self._later(max(SETTLE_SECS, self._pause - LOOK_SECS))) != now:
                now = later
            names = sorted(name for name in {*now, *self._seen} if now.get(name) != self._seen.get(name))
            self._seen = now
            if names:
                self.changes = names
                return

    async def _later(self, pause: float) -> State:
        await self._clock.sleep(pause)
        return self._state()

    def _state(self) -> State:
        begun = self._clock.monotonic()
        found = self._look()
        self._pause = max(LOOK_SECS, (self._clock.monotonic() - begun) / LOOK_PART)
        return found
