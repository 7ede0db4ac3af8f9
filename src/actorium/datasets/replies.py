"""Items of datasets as replies, for every route that sends them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.types import Receive

from actorium.datasets.model import Format, ItemsQuery
from actorium.datasets.reading import Items
from actorium.datasets.service import Datasets
from actorium.datasets.sql import api as sql_api
from actorium.datasets.sql.service import Queries
from actorium.http.leaving import unless_gone
from actorium.http.route import Reply
from actorium.kernel.limits import DATASET_BLOCK_BYTES
from actorium.kernel.principal import Principal
from actorium.storages.replies import attachment

_RENDERED = ("text/html", "application/xml", "application/rss+xml")
"""What a browser shows as a page, scripts included, and anybody's items may be in it."""
_PIECES_SETTLED = 64


class ItemsReplies:
    """Makes them. Parquet files are made in the boxes of the queries."""

    def __init__(self, datasets: Datasets, queries: Queries) -> None:
        self._datasets = datasets
        self._queries = queries

    async def reply(
        self, principal: Principal, address: str, query: ItemsQuery, *, receive: Receive, head: bool = False
    ) -> Reply:
        """Items as the query wants them. receive: tells when the client has left. Raises as ``Datasets.items`` does."""
        items = await self._datasets.items(principal, address, query, head=head)
        content = items.content if head else await self._content(principal, items, query=query, receive=receive)
        return Reply(
            content=content, media_type=items.writer.media_type, headers=_headers(items, query), envelope=False
        )

    async def _content(
        self, principal: Principal, items: Items, *, query: ItemsQuery, receive: Receive
    ) -> bytes | AsyncIterator[bytes]:
        if query.format is not Format.PARQUET:
            return await _settled(items.content)
        work = self._queries.parquet(principal, items, query)
        return sql_api.content(await unless_gone(receive, work))


def _headers(items: Items, query: ItemsQuery) -> dict[str, str]:
    chosen = items.range
    headers = {
        "X-Apify-Pagination-Offset": str(chosen.offset),
        "X-Apify-Pagination-Limit": str(chosen.limit),
        "X-Apify-Pagination-Count": str(chosen.count),
        "X-Apify-Pagination-Total": str(chosen.total),
        "X-Apify-Pagination-Desc": str(chosen.desc).lower(),
        "X-Content-Type-Options": "nosniff",
    }
    if items.writer.media_type.startswith(_RENDERED):
        headers["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    if query.attachment:
        headers |= attachment(f"dataset_{items.stored.name or items.stored.id}.{items.writer.extension}")
    return headers


async def _settled(content: AsyncGenerator[bytes, None]) -> bytes | AsyncIterator[bytes]:
    """What is short as bytes: it can be compressed, has a length, and its errors still get a status.

    What is long in coming is a stream too: only a stream notices that its client has left.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in content:
        pieces.append(piece)
        size += len(piece)
        if size > DATASET_BLOCK_BYTES or len(pieces) > _PIECES_SETTLED:
            return _resumed(pieces, content)
    return b"".join(pieces)


async def _resumed(pieces: list[bytes], content: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(content):
        yield b"".join(pieces)
        pieces.clear()
        async for piece in content:
            yield piece
