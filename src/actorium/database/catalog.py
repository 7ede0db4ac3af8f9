"""What tables a database has, asked of the engine itself: for tools that treat all tables alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from actorium.database import Row, Tx


@dataclass(frozen=True, slots=True)
class Catalog:
    """How an engine tells of itself."""

    columns: str
    """Query of one row a column: table_name, column_name, type in upper case, key_position (from 1; 0: not in the key).
    Columns of a table come in their order."""
    octets: str
    """The size in bytes of a text, which stands for ``{}``."""
    stored_text: str
    """What a text takes in the database, which may have compressed it."""
    stored_bytes: str
    sizes: str
    """Query of one row: total, the database in bytes, and free, what of that holds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    name: str
    is_text: bool
    is_bytes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table with a primary key."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """The columns of the primary key, in its order."""

    def has(self, column: str) -> bool:
        return any(one.name == column for one in self.columns)


SQLITE = Catalog(
    columns="""
      SELECT m.name AS table_name, p.name AS column_name, UPPER(p.type) AS type, p.pk AS key_position
      FROM sqlite_schema AS m, pragma_table_info(m.name) AS p
      WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY m.name, p.cid
    """,
    octets="LENGTH(CAST({} AS BLOB))",
    stored_text="LENGTH(CAST({} AS BLOB))",
    stored_bytes="LENGTH({})",
    sizes="""
      SELECT c.page_count * s.page_size AS total, f.freelist_count * s.page_size AS free
      FROM pragma_page_count AS c, pragma_page_size AS s, pragma_freelist_count AS f
    """,
)
POSTGRES = Catalog(
    columns="""
      SELECT c.relname::text AS table_name, a.attname::text AS column_name, UPPER(t.typname::text) AS type,
        COALESCE((SELECT k.position FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, position)
          WHERE i.indrelid = c.oid AND i.indisprimary AND k.number = a.attnum), 0) AS key_position
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
      ORDER BY c.relname::text COLLATE "C", a.attnum
    """,
    octets="OCTET_LENGTH({})",
    stored_text="pg_column_size({})",
    stored_bytes="pg_column_size({})",
    sizes="SELECT pg_database_size(current_database()) AS total, 0::bigint AS free",
)


def tables(tx: Tx, catalog: Catalog) -> list[Table]:
    """Every table, by name. Raises ValueError for one without a primary key: nothing could walk through it."""
    rows: dict[str, list[Row]] = {}
    for row in tx.all(catalog.columns):
        rows.setdefault(row["table_name"], []).append(row)
    return [_table(name, found) for name, found in rows.items()]


def _table(name: str, rows: Iterable[Row]) -> Table:
    rows = list(rows)
    key = sorted((row["key_position"], row["column_name"]) for row in rows if row["key_position"])
    if not key:
        raise ValueError(f"the table {name} has no primary key")
    columns = tuple(
        Column(name=row["column_name"], is_text="TEXT" in row["type"], is_bytes=row["type"] == "BYTEA") for row in rows
    )
    return Table(name=name, columns=columns, key=tuple(column for _, column in key))
