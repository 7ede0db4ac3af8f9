"""Walking through tables of any size in bounded steps: reading, adding up, moving."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from actorium.database import Row, StatementRefused, Tx, installation
from actorium.database.catalog import Table
from actorium.database.migrate import Engine
from actorium.kernel.errors import Unavailable
from actorium.upkeep import store
from actorium.upkeep.digest import Digest
from actorium.upkeep.store import Key, Walk


async def batches(database: Engine, table: Table) -> AsyncIterator[Sequence[Row]]:
    """Every row, in the order of the key as this engine sorts it."""
    after: Key | None = None
    while rows := await database.read(partial(store.batch, table=table, catalog=database.catalog, after=after)):
        yield rows
        after = store.key_of(table, rows[-1])


async def sums(database: Engine, walk: Walk) -> AsyncIterator[Row]:
    """What a table's rows hold, by what they are part of: see ``store.sums``. One part may come in several rows."""
    after: Key | None = None
    while True:
        last = await database.read(partial(store.step, table=walk.table, after=after))
        for row in await database.read(
            partial(store.sums, walk=walk, catalog=database.catalog, after=after, last=last)
        ):
            yield row
        if last is None:
            return
        after = last


async def digest(database: Engine, table: Table) -> Digest:
    """What the rows of a table add up to."""
    found = Digest()
    async for rows in batches(database, table):
        _add(found, table, rows)
    return found


async def move(source: Engine, target: Engine, table: Table) -> Digest:
    """Copy every row to the table of the target, which is empty; what those of the source add up to."""
    found = Digest()
    async for rows in batches(source, table):
        _add(found, table, rows)
        try:
            await target.write(partial(store.insert, table=table, rows=rows))
        except StatementRefused as error:
            raise Unavailable(f"The target refuses rows of the table {table.name}: {error}") from error
    return found


async def clear(database: Engine, table: Table) -> None:
    """Remove every row but the mark of an unfinished copy, which is never gone for a moment."""

    def work(tx: Tx) -> bool:
        count = store.clear(tx, table)
        if table.name == installation.TABLE:
            installation.begin_copy(tx)
            return False  # it has a handful of rows
        return count > 0

    while await database.write(work):
        pass


async def first_filled(database: Engine, tables: Sequence[Table]) -> Table | None:
    """A table that has rows, if there is one."""
    for table in tables:
        if not await database.read(partial(store.is_empty, table=table)):
            return table
    return None


def _add(found: Digest, table: Table, rows: Sequence[Row]) -> None:
    names = [column.name for column in table.columns]
    is_mark: Callable[[Row], bool] = installation.is_mark if table.name == installation.TABLE else lambda _: False
    for row in rows:
        if not is_mark(row):
            found.add([row[name] for name in names])
