"""Queries over datasets, and items as Parquet: who may read what, and which items go into the box."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from actorium.datasets.model import Format, ItemsQuery
from actorium.datasets.reading import Items
from actorium.datasets.service import Datasets
from actorium.datasets.sql import errors
from actorium.datasets.sql.boxes import Answer, Boxes, Question
from actorium.datasets.sql.model import Part, ResultFormat, SqlBody
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import SQL_TABLE_NAME_CHARS_MAX, SQL_TABLES_MAX
from actorium.kernel.principal import Principal

MAIN = "dataset"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Queries:
    """SQL over what a caller may read."""

    def __init__(self, datasets: Datasets, boxes: Boxes) -> None:
        self._datasets = datasets
        self._boxes = boxes

    async def answer(self, principal: Principal, address: str, body: SqlBody, format: ResultFormat) -> Answer:
        """The result of one statement. Raises NotFound, InvalidInput and what ``errors`` names."""
        wheres = {MAIN: address, **_further(body)}
        tables: dict[str, AsyncGenerator[bytes, None]] = {}
        for name, where in wheres.items():
            part = body.items.get(name, Part())
            query = ItemsQuery(
                format=Format.JSONL,
                bom=False,
                offset=part.offset,
                limit=part.limit,
                desc=part.desc,
                fields=part.fields,
            )
            items = await self._datasets.items(principal, where, query)
            self._refuse_large(items, query)
            tables[name] = items.content
        question = Question(tables=tables, sql=body.sql, format=format, rows_max=body.max_rows)
        return await self._boxes.ask(principal.user_id, question)

    async def parquet(self, principal: Principal, items: Items, query: ItemsQuery) -> Answer:
        """Items that were read for it as a Parquet file. Raises NoColumns and what ``errors`` names."""
        self._refuse_large(items, query)
        question = Question(tables={MAIN: items.content}, sql=None, format=ResultFormat.PARQUET)
        return await self._boxes.ask(principal.user_id, question)

    def _refuse_large(self, items: Items, query: ItemsQuery) -> None:
        """Refuse at once what is known to be too large: a whole dataset as it is stored."""
        whole = items.range.count == items.range.total and not (query.fields or query.omit or query.view)
        if whole and items.stored.byte_count > self._boxes.bounds.input_bytes:
            raise errors.SqlInputTooLarge(self._boxes.bounds.input_bytes)


def _further(body: SqlBody) -> dict[str, str]:
    """The tables besides the main one. Raises InvalidInput."""
    names = list(body.datasets)
    if len(names) >= SQL_TABLES_MAX:
        raise InvalidInput(f"Name up to {SQL_TABLES_MAX - 1} further datasets.")
    for name in names:
        if _NAME.fullmatch(name) is None or len(name) > SQL_TABLE_NAME_CHARS_MAX:
            raise InvalidInput(
                f"The table name {name[:80]!r} is not valid: use up to {SQL_TABLE_NAME_CHARS_MAX} letters, digits and "
                "'_', beginning with a letter."
            )
    if len({name.lower() for name in (MAIN, *names)}) <= len(names):
        raise InvalidInput(f"Table names must differ, also from {MAIN}, and SQL does not know case in them.")
    if unknown := body.items.keys() - {MAIN, *names}:
        raise InvalidInput(f'"items" names {min(unknown)[:80]!r}, which is no table of this query.')
    return body.datasets
