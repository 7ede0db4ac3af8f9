"""One statement, its result, and the result as JSON, JSON lines, CSV or Parquet.

The result is made whole before the first byte of it is sent: then its errors, its size and whether it was cut are known
while they still fit into a status and headers.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from actorium.datasets.sql.box.outlet import PATH, Outlet
from actorium.datasets.sql.box.tables import is_bare, quoted
from actorium.kernel.limits import SQL_FRAME_BYTES_MAX, SQL_FRAME_ROWS

_SCHEMA = "actorium"
_RESULT = f"{_SCHEMA}.result"
_READS = ("SELECT", "MULTI")  # PIVOT is several statements
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT", "LIST", "ARRAY")
Column = tuple[str, str]
"""Name and type of a column."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is to be written."""

    source: str
    """As it stands in FROM."""
    rows: int
    truncated: bool
    """Whether there would be more."""


class NoColumns(Exception):
    """The items of a table have no keys."""


class NotOneRead(Exception):
    """The SQL is not one statement that reads; the text says what is wrong."""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the place for results, beside the tables and not among them."""
    connection.execute(f"CREATE SCHEMA {_SCHEMA}")


def run(connection: duckdb.DuckDBPyConnection, sql: str, *, rows_max: int) -> Result:
    """Run the one statement of ``sql`` and keep its result. Raises NotOneRead, duckdb.Error."""
    if _kind(connection, sql) == "EXPLAIN":
        _kind(connection, _explained(sql))  # EXPLAIN ANALYZE runs what it explains
        found = connection.execute(sql).fetchall()
        connection.execute(f"CREATE TABLE {_RESULT} (explain_key VARCHAR, explain_value VARCHAR)")
        connection.executemany(f"INSERT INTO {_RESULT} VALUES (?, ?)", found)
        return Result(_RESULT, len(found), truncated=False)
    connection.execute(f"CREATE TABLE {_RESULT} AS SELECT * FROM ({_bare(sql)}\n) LIMIT {rows_max + 1}")
    count = _count(connection, _RESULT)
    if count <= rows_max:
        return Result(_RESULT, count, truncated=False)
    return Result(f"(SELECT * FROM {_RESULT} LIMIT {rows_max})", rows_max, truncated=True)


def whole(connection: duckdb.DuckDBPyConnection, table: str) -> Result:
    """A table as it is. Raises NoColumns."""
    if is_bare(connection, table):
        raise NoColumns
    return Result(quoted(table), _count(connection, quoted(table)), truncated=False)


def write(
    connection: duckdb.DuckDBPyConnection, outlet: Outlet, result: Result, format: str, send: Callable[[bytes], None]
) -> None:
    """Send a result in pieces. Raises duckdb.Error."""
    source = result.source
    columns: list[Column] = [row[:2] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    if format == "parquet":
        outlet.opens(send)
        _write_parquet(connection, source, columns)
        return
    read = _csv if format == "csv" else _lines if format == "jsonl" else _array
    waiting: list[bytes] = []
    size = 0
    for piece in read(connection, source, columns):
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


def _explained(sql: str) -> str:
    """What an EXPLAIN is about: what follows the word, its options in brackets, and ANALYZE."""
    text = sql.encode()
    places = [place for place, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    depth = 0
    for place, end in zip(places, [*places[1:], len(text)], strict=True):
        word = text[place:end].strip().lower()
        depth += word.startswith(b"(") - word.startswith(b")")
        in_options = depth > 0 or word.startswith(b")")
        if not in_options and not word.startswith((b"explain", b"analyze", b"analyse", b"verbose")):
            return text[place:].decode()
    raise NotOneRead("EXPLAIN needs a statement to explain, without brackets around it.")


def _bare(sql: str) -> str:
    """A statement without the semicolons and comments that follow it, so that it can stand in brackets."""
    text = sql.encode()
    for place, kind in reversed(duckdb.tokenize(sql)):
        if kind != duckdb.token_type.comment and text[place : place + 1] != b";":
            break
        text = text[:place]
    return text.decode()


def _count(connection: duckdb.DuckDBPyConnection, source: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    assert row is not None
    return int(row[0])


def _array(connection: duckdb.DuckDBPyConnection, source: str, columns: list[Column]) -> Iterator[bytes]:
    between = "["
    for texts in _objects(connection, source, columns):
        yield (between + ",\n".join(texts)).encode()
        between = ",\n"
    yield b"[]" if between == "[" else b"]"


def _lines(connection: duckdb.DuckDBPyConnection, source: str, columns: list[Column]) -> Iterator[bytes]:
    for texts in _objects(connection, source, columns):
        yield ("\n".join(texts) + "\n").encode()


def _objects(connection: duckdb.DuckDBPyConnection, source: str, columns: list[Column]) -> Iterator[list[str]]:
    fields = ", ".join(f"{quoted(name)} := {quoted(name)}" for name, _ in columns)
    connection.execute(f"SELECT to_json(struct_pack({fields}))::VARCHAR FROM {source}")
    while rows := connection.fetchmany(SQL_FRAME_ROWS):
        yield [_finite(row[0]) for row in rows]


def _finite(text: str) -> str:
    """JSON has no word for what is not a number, or not a finite one."""
    if "NaN" not in text and "Infinity" not in text:
        return text
    return json.dumps(
        json.loads(text, parse_constant=lambda _: None), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def _csv(connection: duckdb.DuckDBPyConnection, source: str, columns: list[Column]) -> Iterator[bytes]:
    connection.execute(f"SELECT {', '.join(_cell(name, kind) for name, kind in columns)} FROM {source}")
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


def _write_parquet(connection: duckdb.DuckDBPyConnection, source: str, columns: list[Column]) -> None:
    shown = ", ".join(_storable(connection, source, name, kind) for name, kind in columns)
    connection.execute(
        f"COPY (SELECT {shown} FROM {source}) TO '{PATH}' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
    )


def _storable(connection: duckdb.DuckDBPyConnection, source: str, name: str, kind: str) -> str:
    """A column as Parquet holds it without loss: it has no HUGEINT, which is what sums of whole numbers are."""
    column = quoted(name)
    if kind != "HUGEINT":
        return column
    narrower = ("BIGINT", "DECIMAL(38,0)")
    counts = ", ".join(f"count(TRY_CAST({column} AS {to})) = count({column})" for to in narrower)
    fits = connection.execute(f"SELECT {counts} FROM {source}").fetchone() or ()
    to = next((to for to, holds in zip(narrower, fits, strict=True) if holds), "DOUBLE")
    return f"{column}::{to} AS {column}"
