"""An installation with something of everything, for tests that move and measure it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from actorium.blobs import Blobs
from actorium.database import Tx, installation
from actorium.database.catalog import Table, tables
from actorium.database.migrate import Engine, migrate
from actorium.kernel.ids import SeededIds
from actorium.kernel.instant import Instant
from actorium.upkeep.copying import Place

NOW = Instant(1_800_000_000_000)
SMALL, LARGE = b"a small payload", b"a large payload " * 20_000
TEXT = "naïve “текст” 日本 \u0001"


async def place(database: Engine, blobs: Blobs) -> Place:
    """A place with this release's schema and nothing else."""
    await migrate(database, NOW)
    return Place(database=database, blobs=blobs)


async def tables_of(database: Engine) -> dict[str, Table]:
    found = await database.read(partial(tables, catalog=database.catalog))
    return {table.name: table for table in found}


async def fill(where: Place, *, rows: int = 3) -> None:
    """Some rows in every table there is, each different in every column; blobs that rows name, and some that none does.

    Knows no table by name: one that a migration adds is filled too.
    """
    known = await tables_of(where.database)
    ids = SeededIds()
    for table in known.values():
        if table.name == "schema_migrations":
            continue
        for number in range(rows):
            row = {column.name: _value(table, column.name, number) for column in table.columns}
            if table.has("blob_key"):
                row["blob_key"] = ids.new() if number % 2 else None
                row["payload"] = None if number % 2 else SMALL
                row["byte_count"] = len(LARGE if number % 2 else SMALL)
            if row.get("blob_key") is not None:
                await where.blobs.put(row["blob_key"], LARGE)
            await where.database.write(partial(add, table=table, row=row))
    await where.blobs.put("00-named-by-nobody", b"x" * 100)


def _value(table: Table, name: str, number: int) -> Any:
    column = next(one for one in table.columns if one.name == name)
    if column.is_bytes:
        return bytes([number]) + SMALL
    if column.is_text:
        return f"{name} {number} {TEXT}"
    return number * 1_000_003 + len(name)


def add(tx: Tx, table: Table, row: Mapping[str, Any]) -> None:
    columns = ", ".join(f'"{name}"' for name in row)
    values = ", ".join(f":v{at}" for at in range(len(row)))
    tx.run(
        f'INSERT INTO "{table.name}" ({columns}) VALUES ({values})',
        **{f"v{at}": value for at, value in enumerate(row.values())},
    )


async def contents(where: Place) -> dict[str, list[tuple[Any, ...]]]:
    """Everything: the rows of every table and the blobs, sorted."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table in (await tables_of(where.database)).values():
        names = sorted(column.name for column in table.columns)

        def work(tx: Tx, table: Table = table, names: list[str] = names) -> list[tuple[Any, ...]]:
            rows = tx.all(f'SELECT * FROM "{table.name}"')
            return sorted((tuple(row[name] for name in names) for row in rows), key=repr)

        if table.name != "schema_migrations":
            found[table.name] = await where.database.read(work)
    found["blobs"] = [(key, await where.blobs.get(key)) async for key in where.blobs.keys("")]
    return found


async def is_marked(where: Place) -> bool:
    return await where.database.read(installation.is_unfinished_copy)


class Spoiling:
    """A blob store that loses a byte of one blob. Everything else is passed on."""

    def __init__(self, blobs: Blobs, key: str) -> None:
        self._blobs = blobs
        self._key = key
        self.is_honest = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    async def put(self, key: str, content: bytes | AsyncIterator[bytes], /) -> int:
        body = content if isinstance(content, bytes) else b"".join([piece async for piece in content])
        if key == self._key and not self.is_honest:
            body = body[:-1] + b"?"
        return await self._blobs.put(key, body)
