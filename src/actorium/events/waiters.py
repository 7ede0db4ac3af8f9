"""Waiting for a row to change without asking again and again: one listener per channel, one bell per waiter.

    with waiters.watch("runs", run_id) as bell:
        while not done(await read(run_id)):
            if not await bell.ring(secs_left):
                break

Watch first, read second: a change between the two rings the bell.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from actorium.database import Database


class Bell:
    """Rings when one of its keys was woken since the last ring."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def ring(self, timeout_secs: float | None) -> bool:
        """Wait for a wake; False when the time is over first."""
        try:
            async with asyncio.timeout(timeout_secs):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def take(self) -> bool:
        """Whether it was woken since it rang or was taken last, without waiting."""
        is_struck = self._event.is_set()
        self._event.clear()
        return is_struck

    def strike(self) -> None:
        self._event.set()


class Waiters:
    """From (channel, key) to the bells that wait for it. ``run`` must be running for bells to ring."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bells: dict[str, dict[str, dict[Bell, None]]] = defaultdict(dict)
        """Bells in the order they were hung up, so that the same seed rings them in the same order."""

    @contextmanager
    def watch(self, *topics: tuple[str, str]) -> Iterator[Bell]:
        """A bell for any of the (channel, key) pairs."""
        bell = Bell()
        for channel, key in topics:
            self._bells[channel].setdefault(key, {})[bell] = None
        try:
            yield bell
        finally:
            for channel, key in topics:
                waiting = self._bells[channel][key]
                waiting.pop(bell, None)
                if not waiting:
                    del self._bells[channel][key]

    async def run(self, channel: str) -> None:
        """Hand the wakes of one channel to its bells, for ever."""
        async for keys in self._database.listen(channel):
            self.strike(channel, keys)

    def strike(self, channel: str, keys: frozenset[str]) -> None:
        """Ring the bells of the keys; of every key when the set is empty."""
        bells = self._bells[channel]
        for key in sorted(keys) or tuple(bells):
            for bell in bells.get(key, ()):
                bell.strike()
