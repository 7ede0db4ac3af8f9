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
SETTLE_SECS_MAX = 2.0  # longer no file waits for another: a log is written for hours


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
        """Wait until files have changed and stay as they are for a moment. What ``look`` raises is raised.

        One that is written without end has not changed before it stands still, and is waited for a while only.
        """
        while True:
            now = await self._later(self._pause)
            if now == self._seen:
                continue
            now, moving = await self._settled(now)
            names = _differing(now, self._seen) - moving
            was = {name: self._seen[name] for name in moving if name in self._seen}
            self._seen = {name: state for name, state in now.items() if name not in moving} | was
            if names:
                self.changes = sorted(names)
                return

    async def _settled(self, now: State) -> tuple[State, set[str]]:
        """How the files are once none changes any more, or after the longest time, and which of them still do."""
        until = self._clock.monotonic() + SETTLE_SECS_MAX
        while True:
            later = await self._later(max(SETTLE_SECS, self._pause - LOOK_SECS))
            moving = _differing(later, now)
            now = later
            if not moving or self._clock.monotonic() >= until:
                return now, moving

    async def _later(self, pause: float) -> State:
        await self._clock.sleep(pause)
        return self._state()

    def _state(self) -> State:
        begun = self._clock.monotonic()
        found = self._look()
        self._pause = max(LOOK_SECS, (self._clock.monotonic() - begun) / LOOK_PART)
        return found


def _differing(one: State, other: State) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}
