"""The routes of datasets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from actorium.datasets.model import DatasetShort, DatasetStatistics, DatasetView, Format, ItemsQuery
from actorium.datasets.reading import Items
from actorium.datasets.service import Datasets
from actorium.datasets.sql import api as sql_api
from actorium.datasets.sql.boxes import Boxes
from actorium.datasets.sql.service import Queries
from actorium.http.paging import StoragePage
from actorium.http.route import Auth, Call, NoQuery, RawBody, Reply, Route
from actorium.kernel.limits import DATASET_BLOCK_BYTES, RATE_HIGH
from actorium.storages.model import CreateStorage, ListQuery, NameQuery, UpdateStorage
from actorium.storages.replies import DELETED, attachment, opened

TAG = "Storage/Datasets"
ONE = "/v2/datasets/{datasetId}"
ITEMS = f"{ONE}/items"
_RENDERED = ("text/html", "application/xml", "application/rss+xml")
"""What a browser shows as a page, scripts included, and anybody's items may be in it."""
_PIECES_SETTLED = 64


def routes(datasets: Datasets, boxes: Boxes | None = None) -> list[Route]:
    """Every route of datasets. Queries and Parquet files are made in boxes."""
    queries = Queries(datasets, boxes or Boxes())
    calls = _Calls(datasets, queries)
    return [
        Route(
            method="GET", path="/v2/datasets", handler=calls.page, operation_id="datasets_get", tag=TAG,
            summary="Get list of datasets", query=ListQuery, returns=StoragePage[DatasetShort],
        ),
        Route(
            method="POST", path="/v2/datasets", handler=calls.open, operation_id="datasets_post", tag=TAG,
            summary="Create dataset", query=NameQuery, body=CreateStorage, optional_body=True, returns=DatasetView,
            statuses=(200, 201),
        ),
        Route(
            method="GET", path=ONE, handler=calls.get, operation_id="dataset_get", tag=TAG,
            summary="Get dataset", returns=DatasetView, auth=Auth.OPTIONAL,
        ),
        Route(
            method="PUT", path=ONE, handler=calls.update, operation_id="dataset_put", tag=TAG,
            summary="Update dataset", body=UpdateStorage, returns=DatasetView,
        ),
        Route(
            method="DELETE", path=ONE, handler=calls.delete, operation_id="dataset_delete", tag=TAG,
            summary="Delete dataset", statuses=(204,),
        ),
        Route(
            method="GET", path=ITEMS, handler=calls.items, operation_id="dataset_items_get", tag=TAG,
            summary="Get dataset items", query=ItemsQuery, envelope=False, media_type="application/json",
            auth=Auth.OPTIONAL,
        ),
        Route(
            method="HEAD", path=ITEMS, handler=calls.items, operation_id="dataset_items_head", tag=TAG,
            summary="Get dataset items headers", query=ItemsQuery, envelope=False, auth=Auth.OPTIONAL,
        ),
        Route(
            method="POST", path=ITEMS, handler=calls.push, operation_id="dataset_items_post", tag=TAG,
            summary="Store items", body=RawBody, envelope=False, statuses=(201,), rate=RATE_HIGH,
        ),
        Route(
            method="GET", path=f"{ONE}/statistics", handler=calls.statistics, operation_id="dataset_statistics_get",
            tag=TAG, summary="Get dataset statistics", returns=DatasetStatistics, auth=Auth.OPTIONAL,
        ),
        *sql_api.routes(queries),
    ]  # fmt: skip


class _Calls:
    """From calls to the service."""

    def __init__(self, datasets: Datasets, queries: Queries) -> None:
        self._datasets = datasets
        self._queries = queries

    async def page(self, call: Call[ListQuery, None]) -> StoragePage[DatasetShort]:
        return await self._datasets.page(call.principal, call.query)

    async def open(self, call: Call[NameQuery, CreateStorage | None]) -> Reply:
        schema = call.body.schema if call.body else None
        view, created = await self._datasets.get_or_create(call.principal, call.query.name, schema=schema)
        return opened(view, created=created, path="datasets")

    async def get(self, call: Call[NoQuery, None]) -> DatasetView:
        return await self._datasets.get(call.principal, call["datasetId"])

    async def update(self, call: Call[NoQuery, UpdateStorage]) -> DatasetView:
        return await self._datasets.update(call.principal, call["datasetId"], call.body)

    async def delete(self, call: Call[NoQuery, None]) -> Reply:
        await self._datasets.delete(call.principal, call["datasetId"])
        return DELETED

    async def push(self, call: Call[NoQuery, RawBody]) -> Reply:
        dataset_id = await self._datasets.push(call.principal, call["datasetId"], call.body.content)
        location = {"Location": f"/v2/datasets/{dataset_id}/items"}
        return Reply(status=201, content={}, envelope=False, headers=location)

    async def items(self, call: Call[ItemsQuery, None]) -> Reply:
        head = call.request.method == "HEAD"
        items = await self._datasets.items(call.principal, call["datasetId"], call.query, head=head)
        content = items.content if head else await self._content(call, items)
        return Reply(
            content=content, media_type=items.writer.media_type, headers=_headers(items, call.query), envelope=False
        )

    async def _content(self, call: Call[ItemsQuery, None], items: Items) -> bytes | AsyncIterator[bytes]:
        if call.query.format is not Format.PARQUET:
            return await _settled(items.content)
        work = self._queries.parquet(call.principal, items, call.query)
        return sql_api.content(await sql_api.unless_gone(call.request.receive, work))

    async def statistics(self, call: Call[NoQuery, None]) -> DatasetStatistics:
        return await self._datasets.statistics(call.principal, call["datasetId"])


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
