"""The routes of datasets."""

from __future__ import annotations

from actorium.datasets.model import DatasetShort, DatasetStatistics, DatasetView, ItemsQuery
from actorium.datasets.replies import ItemsReplies
from actorium.datasets.service import Datasets
from actorium.datasets.sql import api as sql_api
from actorium.datasets.sql.service import Queries
from actorium.http.paging import StoragePage
from actorium.http.route import Auth, Call, NoQuery, RawBody, Reply, Route
from actorium.kernel.limits import RATE_HIGH
from actorium.storages.model import CreateStorage, ListQuery, NameQuery, UpdateStorage
from actorium.storages.replies import DELETED, opened

TAG = "Storage/Datasets"
ONE = "/v2/datasets/{datasetId}"
ITEMS = f"{ONE}/items"


def routes(datasets: Datasets, queries: Queries) -> list[Route]:
    """Every route of datasets. Parquet files are made in the boxes of the queries."""
    calls = _Calls(datasets, ItemsReplies(datasets, queries))
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

    def __init__(self, datasets: Datasets, items: ItemsReplies) -> None:
        self._datasets = datasets
        self._items = items

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
        receive = call.request.receive
        return await self._items.reply(call.principal, call["datasetId"], call.query, receive=receive, head=head)

    async def statistics(self, call: Call[NoQuery, None]) -> DatasetStatistics:
        return await self._datasets.statistics(call.principal, call["datasetId"])
