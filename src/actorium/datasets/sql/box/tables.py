"""Items into tables: blocks of JSON texts come in, a typed table is made."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from typing import Any

import duckdb
import msgspec

from actorium.datasets.sql.box.shapes import Columns, TooManyColumns
from actorium.kernel.limits import COLUMNS_MAX, SQL_BATCH_BYTES

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode
_BATCH = "actorium_batch"
_BARE = "items without keys"


class UnfitItems(Exception):
    """Items that make no table; the text says what would."""


def load(connection: duckdb.DuckDBPyConnection, table: str, blocks: Iterable[bytes]) -> None:
    """Make a table of items, in their order. Raises UnfitItems, duckdb.Error."""
    columns = Columns()
    arrays: deque[bytes] = deque()
    try:
        for block in blocks:
            arrays.append(_seen(columns, b"[" + block.replace(b"\n", b",") + b"]"))
    except TooManyColumns:
        raise UnfitItems(
            f"The items of {table} have more than {COLUMNS_MAX} keys, too many for columns of a table: choose some "
            "with fields."
        ) from None
    structure = columns.structure()
    if structure:
        _fill(connection, table, arrays, _encode([structure]).decode())
    else:  # a table without columns there is not
        connection.execute(f"CREATE TABLE {quoted(table)} AS SELECT '{{}}'::JSON AS item FROM range({columns.count})")
        connection.execute(f"COMMENT ON TABLE {quoted(table)} IS '{_BARE}'")


def _fill(connection: duckdb.DuckDBPyConnection, table: str, arrays: deque[bytes], structure: str) -> None:
    """Convert the items a few megabytes at a time: as texts they take several times what the table does."""
    rows = "SELECT unnest(item) FROM (SELECT unnest(from_json(items, ?)) AS item FROM {})"
    empty = "(SELECT '[]'::JSON AS items)"
    connection.execute(f"CREATE TABLE {quoted(table)} AS {rows.format(empty)}", [structure])
    while arrays:
        batch, size = [], 0
        while arrays and size < SQL_BATCH_BYTES:
            array = arrays.popleft()
            size += len(array)
            batch.append(array.decode())
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_BATCH} (items JSON)")
        connection.execute(f"INSERT INTO {_BATCH} SELECT unnest(?)", [batch])
        connection.execute(f"INSERT INTO {quoted(table)} {rows.format(_BATCH)}", [structure])
    connection.execute(f"DROP TABLE IF EXISTS {_BATCH}")


def is_bare(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether the items of a table have no keys, so that its only column stands for them."""
    found = connection.execute("SELECT comment FROM duckdb_tables() WHERE table_name = ?", [table]).fetchone()
    return found is not None and found[0] == _BARE


def quoted(name: str) -> str:
    """A name as it stands in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _seen(columns: Columns, array: bytes) -> bytes:
    """A JSON array of items, taken into account and in a form that the engine reads."""
    try:
        items = _decode(array)
    except (msgspec.DecodeError, UnicodeError):
        array, items = _mended(array)
    if columns.see(items):
        array = _encode([columns.renamed(item) for item in items])
    return array


def _mended(array: bytes) -> tuple[bytes, list[dict[str, Any]]]:
    """Items with what the engine's JSON reader does not take: halves of surrogate pairs, numbers beyond a double."""
    items = [_storable(item) for item in json.loads(array, parse_int=_whole)]
    return _encode(items), items


def _storable(value: Any) -> Any:
    """Items are stored with a bounded depth, so this may recurse."""
    if isinstance(value, dict):
        return {_storable(key): _storable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return None if isinstance(value, float) and value - value != 0 else value


def _whole(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # thousands of digits
        return float(digits)
