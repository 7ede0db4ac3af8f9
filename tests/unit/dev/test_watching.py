"""When files are taken as changed."""

from __future__ import annotations

import asyncio

import pytest

from actorium.caller.actor_folder import State
from actorium.dev.watching import LOOK_PART, LOOK_SECS, SETTLE_SECS, SETTLE_SECS_MAX, Watch
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


class Folder:
    """Files, and how often somebody looked."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, int, int, int]] = {"a": (1, 1, 1, 1)}
        self.looks = 0

    def __call__(self) -> State:
        self.looks += 1
        return dict(self.files)

    def touch(self, name: str, at: int) -> None:
        self.files[name] = (at, 1, 1, 1)


async def begun(watch: Watch, clock: ManualClock) -> asyncio.Future[None]:
    """Somebody who waits for a change."""
    waiting = asyncio.ensure_future(watch.changed())
    await clock.advance(0)
    return waiting


async def test_a_change_is_noticed_once_all_is_quiet() -> None:
    folder, clock = Folder(), ManualClock()
    watch = Watch(folder, clock)
    waiting = await begun(watch, clock)
    await clock.advance(LOOK_SECS * 5)
    assert not waiting.done()
    folder.touch("a", 2)
    await clock.advance(LOOK_SECS + SETTLE_SECS / 2)
    folder.touch("b", 3)  # Git goes on writing
    await clock.advance(SETTLE_SECS)
    assert not waiting.done()
    await clock.advance(SETTLE_SECS)
    assert waiting.done()
    assert watch.changes == ["a", "b"]


async def test_what_changes_between_two_waits_is_noticed_by_the_next() -> None:
    folder, clock = Folder(), ManualClock()
    watch = Watch(folder, clock)
    folder.touch("a", 2)
    waiting = await begun(watch, clock)
    await clock.advance(LOOK_SECS + SETTLE_SECS)
    assert waiting.done()
    del folder.files["a"]
    waiting = await begun(watch, clock)
    await clock.advance(LOOK_SECS + SETTLE_SECS)
    assert waiting.done()
    assert watch.changes == ["a"]


async def test_what_is_as_before_at_once_is_no_change() -> None:
    folder, clock = Folder(), ManualClock()
    watch = Watch(folder, clock)
    waiting = await begun(watch, clock)
    folder.touch("swap", 1)
    await clock.advance(LOOK_SECS)
    del folder.files["swap"]
    await clock.advance(LOOK_SECS * 3)
    assert not waiting.done()
    waiting.cancel()


async def test_a_file_that_is_written_without_end_hides_no_change_and_is_none_itself() -> None:
    """A log of another program made the command deaf."""
    folder, clock = Folder(), ManualClock()
    watch = Watch(folder, clock)
    waiting = await begun(watch, clock)

    async def write_a_while() -> None:
        for _ in range(round(2 * (SETTLE_SECS_MAX + LOOK_SECS) / (SETTLE_SECS / 2))):
            folder.touch("log", folder.files.get("log", (0,))[0] + 1)
            await clock.advance(SETTLE_SECS / 2)

    await write_a_while()
    assert not waiting.done()
    folder.touch("a", 2)
    await write_a_while()
    assert waiting.done()
    assert watch.changes == ["a"]
    waiting = await begun(watch, clock)
    await write_a_while()
    assert not waiting.done()
    await clock.advance(SETTLE_SECS_MAX)
    assert waiting.done()
    assert watch.changes == ["log"]


async def test_a_folder_that_takes_long_to_look_at_is_looked_at_less_often() -> None:
    folder, clock = Folder(), SlowClock()
    watch = Watch(folder, clock)
    waiting = await begun(watch, clock)
    await clock.advance(clock.took / LOOK_PART * 3)
    assert folder.looks == 1 + 3
    waiting.cancel()


class SlowClock(ManualClock):
    """Whatever is measured took a second."""

    took = 1.0
    _readings = 0

    def monotonic(self) -> float:
        self._readings += 1
        return self._readings * self.took
