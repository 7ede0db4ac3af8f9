"""What runs did is written once, whatever becomes of who wrote it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from actorium.executors.fake import FakeExecutor
from actorium.kernel.meter import Usage
from actorium.runs.metering import RunMeter
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


class Queued:
    """A database whose writes wait in line and are committed when told, also if nobody waits for them any more."""

    def __init__(self) -> None:
        self.line: list[tuple[Callable[[Any], Any], asyncio.Future[Any]]] = []
        self.added: list[dict[str, Any]] = []

    async def write(self, work: Callable[[Any], Any], *, lane: str = "") -> Any:
        future = asyncio.get_running_loop().create_future()
        self.line.append((work, future))
        return await future

    def many(self, sql: str, rows: list[dict[str, Any]]) -> None:
        self.added += rows

    def commit(self, *, error: Exception | None = None) -> None:
        work, future = self.line.pop(0)
        if error is None:
            work(self)
        if not future.done():
            future.set_result(None) if error is None else future.set_exception(error)


async def test_a_write_that_is_under_way_when_the_server_stops_is_not_written_again() -> None:
    database = Queued()
    meter = RunMeter(database, FakeExecutor(ManualClock()))  # type: ignore[arg-type]
    meter.count("a", Usage.DATASET_WRITES, 3)
    tick = asyncio.ensure_future(meter.tick())
    await anyio.wait_all_tasks_blocked()
    tick.cancel()
    await anyio.wait_all_tasks_blocked()
    database.commit()
    with pytest.raises(asyncio.CancelledError):
        await tick
    last = asyncio.ensure_future(meter.flush("a"))
    await anyio.wait_all_tasks_blocked()
    assert (last.done(), database.line) == (True, [])
    assert [(row["run_id"], row["amount"]) for row in database.added] == [("a", 3)]


async def test_a_write_that_failed_is_written_by_the_next() -> None:
    database = Queued()
    meter = RunMeter(database, FakeExecutor(ManualClock()))  # type: ignore[arg-type]
    meter.count("a", Usage.DATASET_WRITES, 3)
    for error in (RuntimeError("no"), None):
        flush = asyncio.ensure_future(meter.flush("a"))
        await anyio.wait_all_tasks_blocked()
        database.commit(error=error)
        await asyncio.gather(flush, return_exceptions=True)
    assert [(row["run_id"], row["amount"]) for row in database.added] == [("a", 3)]
