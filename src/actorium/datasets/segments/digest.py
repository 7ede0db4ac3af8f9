"""What a segment knows of its items, so that nobody has to read them all again: their columns and field statistics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from actorium.datasets.segments.columns import Columns
from actorium.datasets.segments.statistics import Statistics
from actorium.datasets.slices import loads
from actorium.kernel.limits import DIGEST_BYTES_PER_TURN, DIGEST_ITEMS_PER_TURN


class Digest:
    """Grows item by item."""

    def __init__(self, fields: tuple[str, ...] | None) -> None:
        """``fields`` are those of the dataset's schema, None if it has none."""
        self.columns = Columns()
        self.statistics = None if fields is None else Statistics(fields)

    def add(self, items: Iterable[bytes]) -> None:
        """Take in items, given as JSON texts."""
        columns, statistics = self.columns, self.statistics
        for text in items:
            item = loads(text)
            columns.add(item)
            if statistics is not None:
                statistics.add(item)

    def join(self, column_names: str | None, field_statistics: str | None) -> None:
        """Take in what was found out about other items."""
        self.columns.join(column_names)
        if field_statistics is None:
            self.statistics = None
        elif self.statistics is not None:
            self.statistics.join(field_statistics)


def turns(items: list[bytes]) -> Iterator[list[bytes]]:
    """Items in groups that take about as long to look into as others may wait."""
    first = size = 0
    for at, item in enumerate(items):
        size += len(item)
        if size >= DIGEST_BYTES_PER_TURN or at - first >= DIGEST_ITEMS_PER_TURN - 1:
            yield items[first : at + 1]
            first, size = at + 1, 0
    if first < len(items):
        yield items[first:]
