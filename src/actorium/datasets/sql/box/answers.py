"""One statement, its result, and the result as JSON, JSON lines, CSV or Parquet.

The result is made whole before the first byte of it is sent: then its errors, its size and whether it was cut are known
while they still fit into a status and headers.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import duckdb

from actorium.datasets.sql.box.outlet import PATH, Outlet
from actorium.datasets.sql.box.tables import is_bare, quoted
from actorium.kernel.limits import SQL_FRAME_BYTES_MAX, SQL_FRAME_ROWS

_RESULT = "actorium_result"
_READS = ("SELECT", "MULTI")  # PIVOT is several statements
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT", "LIST", "ARRAY")
Column = tuple[str, str]
"""Name and type of a column."""


class NoColumns(Exception):
    """The items of a table have no keys."""


class NotOneRead(Exception):
    """The SQL is not one statement that reads; the text says what is wrong."""


def run(connection: duckdb.DuckDBPyConnection, sql: str, *, rows_max: int) -> tuple[int, bool]:
    """Run the one statement of ``sql`` and keep its result: how many rows, and whether there would be more.

    Raises NotOneRead, duckdb.Error.
    """
    kind = _kind(connection, sql)
    if kind == "EXPLAIN":
        found = connection.execute(sql).fetchall()
        connection.execute(f"CREATE TEMP TABLE {_RESULT} (explain_key VARCHAR, explain_value VARCHAR)")
        connection.executemany(f"INSERT INTO {_RESULT} VALUES (?, ?)", found)
        return len(found), False
    connection.execute(f"CREATE TEMP TABLE {_RESULT} AS SELECT * FROM ({_bare(sql)}\n) LIMIT {rows_max + 1}")
    count = _count(connection)
    if count <= rows_max:
        return count, False
    connection.execute(f"CREATE TEMP TABLE {_RESULT}_cut AS SELECT * FROM {_RESULT} LIMIT {rows_max}")
    connection.execute(f"DROP TABLE {_RESULT}; ALTER TABLE {_RESULT}_cut RENAME TO {_RESULT}")
    return rows_max, True


def adopt(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Take a table as the result, as it is: how many rows. Raises NoColumns."""
    if is_bare(connection, table):
        raise NoColumns
    connection.execute(f"ALTER TABLE {quoted(table)} RENAME TO {_RESULT}")
    return _count(connection)


def write(connection: duckdb.DuckDBPyConnection, outlet: Outlet, format: str, send: Callable[[bytes], None]) -> None:
    """Send the result in pieces. Raises duckdb.Error."""
    columns: list[Column] = [row[:2] for row in connection.execute(f"DESCRIBE {_RESULT}").fetchall()]
    if format == "parquet":
        outlet.opens(send)
        _write_parquet(connection, columns)
        return
    pieces = _csv(connection, columns) if format == "csv" else _json(connection, columns, lines=format == "jsonl")
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= SQL_FRAME_BYTES_MAX:
            send(b"".join(waiting))
            waiting, size = [], 0
    send(b"".join(waiting))


def _kind(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Which kind of statement it is. What cannot stand in a FROM is refused here; what can is not thereby harmless."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise NotOneRead(f"Send one statement: there are {len(statements)} in sql.")
    try:
        kind = str(statements[0].type.name)
    except ValueError:  # a kind that this version of the bindings has no name for
        kind = "unknown"
    if kind not in (*_READS, "EXPLAIN"):
        raise NotOneRead(
            f"Only statements that read are run here, and this one is {kind}: send a SELECT, WITH, VALUES, PIVOT, "
            "DESCRIBE, SUMMARIZE, SHOW or EXPLAIN."
        )
    return kind


def _bare(sql: str) -> str:
    """A statement without the semicolons and comments that follow it, so that it can stand in brackets."""
    text = sql.encode()
    for place, kind in reversed(duckdb.tokenize(sql)):
        if kind != duckdb.token_type.comment and text[place : place + 1] != b";":
            break
        text = text[:place]
    return text.decode()


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute(f"SELECT count(*) FROM {_RESULT}").fetchone()
    assert row is not None
    return int(row[0])


def _json(connection: duckdb.DuckDBPyConnection, columns: list[Column], *, lines: bool) -> Iterator[bytes]:
    fields = ", ".join(f"{quoted(name)} := {quoted(name)}" for name, _ in columns)
    connection.execute(f"SELECT to_json(struct_pack({fields}))::VARCHAR FROM {_RESULT}")
    separator, between = "\n" if lines else ",\n", "" if lines else "["
    while rows := connection.fetchmany(SQL_FRAME_ROWS):
        yield (between + separator.join(_finite(row[0]) for row in rows)).encode()
        between = separator
    yield b"\n" if lines and between else b"" if lines else b"[]" if between == "[" else b"]"


def _finite(text: str) -> str:
    """JSON has no word for what is not a number, or not a finite one."""
    if "NaN" not in text and "Infinity" not in text:
        return text
    return json.dumps(
        json.loads(text, parse_constant=lambda _: None), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def _csv(connection: duckdb.DuckDBPyConnection, columns: list[Column]) -> Iterator[bytes]:
    connection.execute(f"SELECT {', '.join(_cell(name, kind) for name, kind in columns)} FROM {_RESULT}")
    yield _rows([[name for name, _ in columns]])
    while rows := connection.fetchmany(SQL_FRAME_ROWS):
        yield _rows(rows)


def _rows(rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(name: str, kind: str) -> str:
    """A column as text: texts as they are, also those in JSON, and nested values as JSON."""
    column = quoted(name)
    if kind == "JSON":
        return f"CASE WHEN json_type({column}) = 'VARCHAR' THEN {column}->>'$' ELSE {column}::VARCHAR END"
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return f"to_json({column})::VARCHAR"
    return f"{column}::VARCHAR"


def _write_parquet(connection: duckdb.DuckDBPyConnection, columns: list[Column]) -> None:
    shown = ", ".join(_storable(connection, name, kind) for name, kind in columns)
    connection.execute(
        f"COPY (SELECT {shown} FROM {_RESULT}) TO '{PATH}' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
    )


def _storable(connection: duckdb.DuckDBPyConnection, name: str, kind: str) -> str:
    """A column as Parquet holds it without loss: it has no HUGEINT, which is what sums of whole numbers are."""
    column = quoted(name)
    if kind != "HUGEINT":
        return column
    narrower = ("BIGINT", "DECIMAL(38,0)")
    counts = ", ".join(f"count(TRY_CAST({column} AS {to})) = count({column})" for to in narrower)
    fits = connection.execute(f"SELECT {counts} FROM {_RESULT}").fetchone() or ()
    to = next((to for to, holds in zip(narrower, fits, strict=True) if holds), "DOUBLE")
    return f"{column}::{to} AS {column}"
