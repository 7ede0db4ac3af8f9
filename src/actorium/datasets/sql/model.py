"""A query on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actorium.http.paging import Count
from actorium.kernel.limits import SQL_CHARS_MAX, SQL_ROWS_DEFAULT, SQL_ROWS_MAX
from actorium.kernel.structs import Wire


class ResultFormat(StrEnum):
    """What a result can be written as."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class ResultQuery(Wire, kw_only=True, frozen=True):
    """Query of a query."""

    format: ResultFormat = ResultFormat.JSON


class Part(Wire, kw_only=True, frozen=True):
    """Which items of a dataset become its table; the parameters of the same names that reading items has."""

    offset: Count = 0
    limit: Count = 0
    desc: bool = False
    fields: list[str] | None = None


class SqlBody(Wire, kw_only=True, frozen=True):
    """One statement, and what it may read besides the dataset it is sent to, which is the table ``dataset``."""

    sql: Annotated[str, Meta(min_length=1, max_length=SQL_CHARS_MAX)]
    datasets: dict[str, str] = {}
    """Further tables: their names, and the id or name of a dataset for each."""
    items: dict[str, Part] = {}
    """By table name."""
    max_rows: Annotated[int, Meta(ge=1, le=SQL_ROWS_MAX)] = SQL_ROWS_DEFAULT
