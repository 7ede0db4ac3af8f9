"""The statistics of all items of a dataset: those of its segments, and of the items that are in none yet."""

from __future__ import annotations

from actorium.datasets.chunks import Reader
from actorium.datasets.segments.digest import turns
from actorium.datasets.segments.statistics import Statistics
from actorium.datasets.slices import loads
from actorium.kernel.clock import Clock


async def statistics_of(
    reader: Reader, dataset_id: str, *, count: int, fields: tuple[str, ...], clock: Clock
) -> Statistics:
    """What the first ``count`` items have in these fields. Raises DatasetCutShort."""
    statistics = Statistics(fields)
    async for found in reader.field_statistics(dataset_id, start=0, end=count):
        if isinstance(found, str):
            statistics.join(found)
            await clock.sleep(0)  # requests have their turn
            continue
        for group in turns(found.split(b"\n")):
            for item in group:
                statistics.add(loads(item))
            await clock.sleep(0)
    return statistics
