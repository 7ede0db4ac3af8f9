"""Noticing that files have changed, by looking.

Looking needs no watches of the kernel's, which run out in large folders and never come from network and shared ones; it
costs a stat a file and sees exactly the files that would be sent. See docs/decisions/0036.
"""

from __future__ import annotations

from collections.abc import Callable

from actorium.caller.actor_folder import State
from actorium.kernel.clock import Clock
from actorium.kernel.limits import DEV_LOOK_PART, DEV_LOOK_SECS, DEV_SETTLE_SECS


class Watch:
    """Looks from when it is made."""

    def __init__(self, look: Callable[[], State], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._pause = DEV_LOOK_SECS
        self._seen = self._state()
        self.changes: list[str] = []
        """Which files differ since the look before the last change."""

    async def changed(self) -> None:
        """Wait until files have changed and stay as they are for a moment. What ``look`` raises is raised."""
        while True:
            now = await self._later(self._pause)
            if now == self._seen:
                continue
            while (later := await self._later(max(DEV_SETTLE_SECS, self._pause - DEV_LOOK_SECS))) != now:
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
        self._pause = max(DEV_LOOK_SECS, (self._clock.monotonic() - begun) / DEV_LOOK_PART)
        return found
