"""Counting what runs do, in memory, flushed as increments: a crash loses at most one interval of usage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from actorium.database import Database, Tx
from actorium.executors import Container, Executor, Phase, Stats
from actorium.kernel.meter import Usage
from actorium.loops.background import to_its_end
from actorium.runs import store
from actorium.runs.facts import measure
from actorium.runs.lifecycle import run_of
from actorium.runs.measurements import of

ROWS_PER_FLUSH_MAX = 1000  # how many counters one transaction takes


class RunMeter:
    """The Meter of the storages, and what the executors measure."""

    def __init__(self, database: Database, executor: Executor) -> None:
        self._database = database
        self._executor = executor
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, run_id: str | None, usage: Usage, amount: int = 1, /) -> None:
        """Add to a run's usage; calls by users count nowhere."""
        if run_id is not None:
            self._counts[run_id, str(usage)] += amount

    async def tick(self) -> None:
        """Flush the counts and store what the executor measured last."""
        while self._counts:
            await self._write(dict(self._counts.popitem() for _ in range(min(len(self._counts), ROWS_PER_FLUSH_MAX))))
        await self._measure()

    async def flush(self, run_id: str) -> None:
        """Write what one run has done until now: whoever waits for its end sees all of it."""
        keys = [key for usage in Usage if (key := (run_id, str(usage))) in self._counts]
        if keys:
            await self._write({key: self._counts.pop(key) for key in keys})

    async def _write(self, taken: Mapping[tuple[str, str], int]) -> None:
        await to_its_end(self._add(taken))  # a write that is let go of may be committed: it would be counted twice

    async def _add(self, taken: Mapping[tuple[str, str], int]) -> None:
        increments = [(run_id, usage, amount) for (run_id, usage), amount in taken.items()]
        try:
            await self._database.write(lambda tx: store.add_usage(tx, increments))
        except BaseException:
            self._counts.update(taken)
            raise

    async def _measure(self) -> None:
        running = [one for one in (await self._executor.survey()).values() if one.phase is Phase.RUNNING]
        found = [(one, stats) for one in running if (stats := await self._executor.stats(one.name)) is not None]
        if found:
            await self._database.write(lambda tx: _save(tx, found))


def _save(tx: Tx, found: list[tuple[Container, Stats]]) -> None:
    for container, stats in found:
        run_id, attempt = run_of(container.name)
        if store.find(tx, run_id) is not None:
            millis = max(stats.at - (container.started_at or stats.at), 0)
            measure(tx, run_id, attempt=attempt, latest=of(stats, millis))
