"""A connection to PostgreSQL as this project uses it, and what is wrong when there is none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import StrDumper

from actorium.database.dialect import numbered
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import (
    POSTGRES_CONNECT_SECS,
    POSTGRES_LOCK_SECS,
    POSTGRES_STATEMENT_SECS,
    POSTGRES_STATEMENTS_CACHED,
)

Connection = psycopg.Connection[dict[str, Any]]

# Every statement is made for the order of an index and asks for few rows. Left alone, the planner reads whole ranges of
# a table that has grown since it was analyzed, and sorts them.
_SETTINGS = """
SELECT set_config('lock_timeout', :lock, false), set_config('statement_timeout', :statement, false),
  set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
  set_config('jit', 'off', false),
  CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END,
  current_setting('server_encoding') AS encoding
"""
_OTHERS = """
SELECT COUNT(*) AS others FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'actorium' AND pid <> pg_backend_pid()
"""


class _NumberLoader(NumericBinaryLoader):
    """Sums are integers, as on SQLite."""

    def load(self, data: Any) -> Any:
        value: Decimal = super().load(data)
        return int(value) if value == value.to_integral_value() else float(value)


def connect(url: str) -> Connection:
    """A connection as this project uses it. Raises BackendUnavailable, with what to do about it."""
    try:
        connection: Connection = psycopg.connect(
            url,
            autocommit=True,  # transactions are begun here, not by the driver
            row_factory=dict_row,
            cursor_factory=psycopg.RawCursor,
            client_encoding="utf8",
            connect_timeout=POSTGRES_CONNECT_SECS,
            application_name="actorium",
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
    except psycopg.Error as error:
        raise BackendUnavailable(_unreachable(url, error)) from error
    connection.prepared_max = POSTGRES_STATEMENTS_CACHED
    adapters = connection.adapters
    adapters.register_dumper(str, StrDumper)  # text, not "whatever fits": the same statement always has the same types
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(bool, Int8BinaryDumper)  # truth is an integer in the shared dialect
    adapters.register_loader("numeric", _NumberLoader)
    sql, _ = numbered(_SETTINGS)
    row = connection.execute(
        cast("Any", sql), [f"{POSTGRES_LOCK_SECS}s", f"{POSTGRES_STATEMENT_SECS}s"], prepare=False
    ).fetchone()
    if row is None or row["encoding"] != "UTF8":
        connection.close()
        raise BackendUnavailable("The PostgreSQL database is not in UTF-8: create one with ENCODING 'UTF8'.")
    return connection


def is_used(url: str) -> bool:
    """Whether an Actorium process is connected to the database. Raises BackendUnavailable."""
    with connect(url) as connection:
        row = connection.execute(_OTHERS, prepare=False).fetchone()
    return row is not None and row["others"] > 0


def _unreachable(url: str, error: psycopg.Error) -> str:
    """What went wrong and what to do, in one line and without the password."""
    try:
        password = str(conninfo_to_dict(url).get("password") or "")
    except psycopg.Error:  # its text quotes what it could not read
        return (
            "PostgreSQL cannot read the address in ACTORIUM_DATABASE: write special characters of user and password "
            "as %40 for @, %25 for % and so on."
        )
    told = " ".join(str(error).split())
    for secret in {password, quote(password, safe="")} - {""}:
        told = told.replace(secret, "(hidden)")
    return (
        f"Cannot connect to PostgreSQL: {told}. Check that the server runs and that the address, user, password and "
        "database in ACTORIUM_DATABASE are right."
    )
