"""Reading the items of a dataset as a file: which ones, what is done to them, in which format."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from actorium.database import Database
from actorium.datasets.batches import batches
from actorium.datasets.chunks import Reader
from actorium.datasets.export import Range, check_rows, labels_of, range_of, transform_of, viewed, writer_of
from actorium.datasets.formats import NO_TABLE, Table, Writer
from actorium.datasets.formats.json_texts import JsonArray, JsonLines
from actorium.datasets.model import ItemsQuery
from actorium.datasets.segments.columns import Column
from actorium.datasets.table import TableBuilder
from actorium.datasets.transform import Transform
from actorium.kernel.clock import Clock
from actorium.kernel.limits import CELLS_PER_PIECE, ROWS_PER_PIECE
from actorium.kernel.meter import Meter, Usage
from actorium.kernel.principal import Principal
from actorium.storages.model import Stored
from actorium.storages.service import Storages


@dataclass(frozen=True, slots=True)
class Items:
    """A reading of items, ready to be streamed."""

    stored: Stored
    range: Range
    writer: Writer
    content: AsyncGenerator[bytes, None]


class Reading:
    """Items of datasets as files."""

    def __init__(self, storages: Storages, *, database: Database, reader: Reader, clock: Clock, meter: Meter) -> None:
        self._storages = storages
        self._database = database
        self._reader = reader
        self._clock = clock
        self._meter = meter

    async def items(self, principal: Principal, address: str, query: ItemsQuery, *, head: bool = False) -> Items:
        """Items as the query wants them; with ``head`` only what is known without reading any, and no content.

        Raises NotFound, Forbidden, InvalidValue, InvalidInput, NoColumns, NoSchema, NoSuchView.
        """
        signed = self._storages.contents_signature(query.signature)
        stored = await self._database.read(lambda tx: self._storages.readable(tx, principal, address, signed=signed))
        schema = stored.profile.schema
        query = viewed(query, schema)
        chosen = range_of(query, int(stored.own["item_count"]))
        transform, writer = transform_of(query), writer_of(query, stored)
        if not transform.unwind:
            check_rows(query, chosen.count)
        if head:
            return Items(stored, chosen, writer, _nothing())
        table = NO_TABLE
        if writer.is_table:
            table = await self._table(stored.id, chosen, transform, query=query, labels=labels_of(query, schema))
        self._storages.saw(stored.id, reads=1)
        self._meter.count(principal.run_id, Usage.DATASET_READS, chosen.count)
        return Items(stored, chosen, writer, self._written(stored.id, chosen, transform, writer=writer, table=table))

    async def _written(
        self, dataset_id: str, chosen: Range, transform: Transform, *, writer: Writer, table: Table
    ) -> AsyncGenerator[bytes, None]:
        copier = writer if isinstance(writer, JsonArray | JsonLines) and transform.changes_nothing else None
        size = min(ROWS_PER_PIECE, max(1, CELLS_PER_PIECE // max(1, len(table.columns))))
        yield writer.begin(table)
        blocks = self._reader.blocks(dataset_id, start=chosen.start, end=chosen.end, desc=chosen.desc)
        async with aclosing(blocks):
            async for block in blocks:
                for batch in () if copier else batches(block, transform, size=size):
                    yield writer.rows(batch)
                    await self._clock.sleep(0)  # others have their turn: a fast client and disk never make this wait
                if copier:
                    yield copier.copied(block)
                    await self._clock.sleep(0)
        yield writer.end()

    async def _table(
        self, dataset_id: str, chosen: Range, transform: Transform, *, query: ItemsQuery, labels: Mapping[str, str]
    ) -> Table:
        """The columns of a range: those known of stored items where that is exact, else by looking at each item."""
        builder = TableBuilder(transform)
        start, end, rows = chosen.start, chosen.end, 0
        known: AsyncGenerator[list[Column] | bytes, None] = (
            self._reader.columns(dataset_id, start=start, end=end)
            if transform.keeps_columns
            else self._reader.blocks(dataset_id, start=start, end=end, desc=False)
        )
        async with aclosing(known):
            async for piece in known:
                if isinstance(piece, list):
                    builder.derive(piece)
                    continue
                for batch in batches(piece, transform, size=ROWS_PER_PIECE):
                    builder.scan(batch)
                    rows += len(batch)
                    await self._clock.sleep(0)
        if transform.unwind:
            check_rows(query, rows)
        return builder.table(labels)


async def _nothing() -> AsyncGenerator[bytes, None]:
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece
