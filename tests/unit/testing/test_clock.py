"""The clock that tests move."""

from __future__ import annotations

import asyncio

import pytest

from actorium.testing.clock import START, ManualClock

pytestmark = pytest.mark.anyio


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, *, times: int, secs: float) -> None:
        for _ in range(times):
            await clock.sleep(secs)
            woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleep("slow", times=1, secs=5))
        group.create_task(sleep("quick", times=3, secs=2))
        await clock.advance(0)
        assert woken == []
        await clock.advance(4)
        assert woken == [("quick", 2.0), ("quick", 4.0)]
        await clock.advance(10)
    assert woken[2:] == [("slow", 5.0), ("quick", 6.0)]
    assert clock.now() == START.plus(secs=14)
    await clock.sleep(0)
    await clock.sleep(-1)
