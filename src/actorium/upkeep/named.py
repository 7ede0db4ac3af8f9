"""Which blobs are named by rows, and by which."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TypeVar

from actorium.blobs import Blobs
from actorium.database import Tx
from actorium.database.catalog import Table, tables
from actorium.database.migrate import Engine
from actorium.kernel.store_limits import COPY_KEYS_PER_LOOK
from actorium.upkeep import rows, store

T = TypeVar("T")
COLUMN = "blob_key"
"""How the column that names a blob is called, in every table that has one."""


async def lost(database: Engine, blobs: Blobs) -> int:
    """How many rows name a blob that is not there."""
    found = await database.read(partial(tables, catalog=database.catalog))
    naming = [table for table in found if table.has(COLUMN)]
    missing = 0
    for table in naming:
        async for row in rows.sums(database, store.Walk(table=table)):
            missing += row["named"]
    async for keys in batched(blobs.keys(), COPY_KEYS_PER_LOOK):
        named = await database.read(partial(tables_naming, naming=[(table, COLUMN) for table in naming], keys=keys))
        missing -= sum(len(by) for by in named.values())
    return missing


def tables_naming(tx: Tx, naming: Sequence[tuple[Table, str]], keys: Sequence[str]) -> dict[str, list[str]]:
    """The tables that name each of these blobs, once for each row that does; who is not named is left out."""
    found: dict[str, list[str]] = {}
    for table, column in naming:
        for key in store.naming(tx, table, column, keys):
            found.setdefault(key, []).append(table.name)
    return found


async def batched(members: AsyncIterator[T], size: int) -> AsyncIterator[list[T]]:
    """Members by so many."""
    batch: list[T] = []
    async for member in members:
        batch.append(member)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
