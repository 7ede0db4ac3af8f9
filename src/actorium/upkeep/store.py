"""SQL for any table that has a primary key: walking through it in steps, filling it, emptying it, adding it up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from actorium.database import Row, Tx
from actorium.database.catalog import Catalog, Table
from actorium.kernel.store_limits import COPY_BATCH_BYTES, COPY_BATCH_ROWS, USAGE_ROWS_PER_STEP

Key = tuple[Any, ...]
"""The values of a primary key."""
NOBODY = "''"
"""The owner of what has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A table to be added up, and how to know what its rows are part of and whose they are."""

    table: Table
    part_of: str = ""
    """The column that says what a row is part of."""
    owner: str = ""
    """The column of the owner."""
    parent: Table | None = None
    """The table of what ``part_of`` names; the owner's column is there."""


def is_empty(tx: Tx, table: Table) -> bool:
    """Whether the table has no row."""
    return tx.one(f"SELECT 1 AS found FROM {_quoted(table.name)} LIMIT 1") is None


def batch(tx: Tx, table: Table, catalog: Catalog, after: Key | None) -> list[Row]:
    """The next rows in the order of the key: so many, and of so many bytes, unless one alone is larger."""
    size_of_row = _size(table, catalog.octets, "LENGTH({})")
    keys = tx.all(
        f"SELECT {_listed(table.key)}, {size_of_row} AS size FROM {_quoted(table.name)} AS t"
        f"{_where(table, after)} ORDER BY {_listed(table.key)} LIMIT :limit",
        **_bound("after", after),
        limit=COPY_BATCH_ROWS,
    )
    size, last = 0, None
    for row in keys:
        size += row["size"]
        if last is not None and size > COPY_BATCH_BYTES:
            break
        last = key_of(table, row)
    if last is None:
        return []
    return tx.all(
        f"SELECT * FROM {_quoted(table.name)} AS t{_where(table, after, last)} ORDER BY {_listed(table.key)}",
        **_bound("after", after),
        **_bound("last", last),
    )


def key_of(table: Table, row: Row) -> Key:
    """The key of a row."""
    return tuple(row[column] for column in table.key)


def insert(tx: Tx, table: Table, rows: Iterable[Row]) -> None:
    """Add rows as they are."""
    names = [column.name for column in table.columns]
    values = ", ".join(f":v{at}" for at in range(len(names)))
    filled = [{f"v{at}": row[name] for at, name in enumerate(names)} for row in rows]
    tx.many(f"INSERT INTO {_quoted(table.name)} ({_listed(names)}) VALUES ({values})", filled)


def clear(tx: Tx, table: Table) -> int:
    """Delete a bounded number of rows; how many."""
    key, name = _listed(table.key), _quoted(table.name)
    return tx.run(f"DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {name} LIMIT :limit)", limit=COPY_BATCH_ROWS)


def naming(tx: Tx, table: Table, column: str, blobs: Sequence[str]) -> list[str]:
    """Which of these blobs the column names, once for each row that does."""
    wanted = {f"k{at}": key for at, key in enumerate(blobs)}
    listed = ", ".join(f":{name}" for name in wanted)
    rows = tx.all(
        f"SELECT {_quoted(column)} AS blob FROM {_quoted(table.name)} WHERE {_quoted(column)} IN ({listed})", **wanted
    )
    return [row["blob"] for row in rows]


def step(tx: Tx, table: Table, after: Key | None) -> Key | None:
    """Where the next step through a table ends; None: the rest is not more than a step."""
    row = tx.one(
        f"SELECT {_listed(table.key)} FROM {_quoted(table.name)} AS t{_where(table, after)}"
        f" ORDER BY {_listed(table.key)} LIMIT 1 OFFSET :offset",
        **_bound("after", after),
        offset=USAGE_ROWS_PER_STEP,
    )
    return None if row is None else key_of(table, row)


def sums(tx: Tx, walk: Walk, catalog: Catalog, after: Key | None, last: Key | None) -> list[Row]:
    """What the rows of one step hold, by what they are part of: part_of, owner, rows, bytes, named, blobs, blob_bytes.

    In the order of part_of. ``bytes`` are those of texts and payloads, ``named`` how many rows name a blob, and the
    rest is about those blobs: one that several rows share counts with the first of them.
    """
    has_blobs = walk.table.has("blob_key") and walk.table.has("byte_count")
    blobs = "CASE WHEN t.blob_key IS NULL THEN 0 ELSE {} END" if has_blobs else "0"
    once = f"CASE WHEN t.blob_key IS NULL OR {_is_shared(walk.table)} THEN 0 ELSE {{}} END" if has_blobs else "0"
    join, owner = "", f"t.{_quoted(walk.owner)}"
    if walk.parent is not None:
        theirs, ours = f"p.{_quoted(walk.parent.key[0])}", f"t.{_quoted(walk.part_of)}"
        join = f" LEFT JOIN {_quoted(walk.parent.name)} AS p ON {theirs} = {ours}"
        owner = f"p.{_quoted(walk.owner)}"
    part_of = f"t.{_quoted(walk.part_of)}" if walk.part_of else "''"
    return tx.all(
        f"SELECT {part_of} AS part_of, {f'COALESCE({owner}, {NOBODY})' if walk.owner else NOBODY} AS owner,"
        f" COUNT(*) AS rows, SUM({_size(walk.table, catalog.stored_text, catalog.stored_bytes)}) AS bytes,"
        f" SUM({blobs.format(1)}) AS named, SUM({once.format(1)}) AS blobs,"
        f" SUM({once.format('t.byte_count')}) AS blob_bytes"
        f" FROM {_quoted(walk.table.name)} AS t{join}{_where(walk.table, after, last)} GROUP BY 1, 2 ORDER BY 1",
        **_bound("after", after),
        **_bound("last", last),
    )


def _is_shared(table: Table) -> str:
    """Whether a row before this one names the same blob."""
    before, here = _listed(table.key, of="earlier"), _listed(table.key, of="t")
    return (
        f"EXISTS (SELECT 1 FROM {_quoted(table.name)} AS earlier WHERE earlier.blob_key = t.blob_key"
        f" AND ({before}) < ({here}))"
    )


def sizes(tx: Tx, catalog: Catalog) -> Row:
    """The database as a whole: total and free bytes."""
    row = tx.one(catalog.sizes)
    assert row is not None
    return row


def names(tx: Tx, table: str, name: str, ids: Sequence[str]) -> dict[str, str]:
    """What people call rows of a table, by id; those without a name are left out."""
    wanted = {f"k{at}": one for at, one in enumerate(ids)}
    listed = ", ".join(f":{key}" for key in wanted) or "''"
    column = _quoted(name)
    rows = tx.all(
        f"SELECT id, {column} AS name FROM {_quoted(table)} WHERE id IN ({listed}) AND {column} IS NOT NULL", **wanted
    )
    return {row["id"]: row["name"] for row in rows}


def _size(table: Table, of_text: str, of_bytes: str) -> str:
    """The bytes of a row's texts and payloads. The length of a payload is known without reading it."""
    parts = [
        f"COALESCE({(of_text if column.is_text else of_bytes).format(f't.{_quoted(column.name)}')}, 0)"
        for column in table.columns
        if column.is_text or column.is_bytes
    ]
    return " + ".join(parts) or "0"


def _where(table: Table, after: Key | None, last: Key | None = None) -> str:
    """The rows behind one key, up to another."""
    bounds = [(">", "after", after), ("<=", "last", last)]
    conditions = [
        f"({_listed(table.key, of='t')}) {sign} ({', '.join(f':{name}_{at}' for at in range(len(key)))})"
        for sign, name, key in bounds
        if key is not None
    ]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _bound(name: str, key: Key | None) -> dict[str, Any]:
    return {f"{name}_{at}": value for at, value in enumerate(key or ())}


def _listed(columns: Iterable[str], *, of: str = "") -> str:
    return ", ".join(f"{of}{'.' if of else ''}{_quoted(column)}" for column in columns)


def _quoted(name: str) -> str:
    return f'"{name}"'
