"""The routes of request queues."""

from __future__ import annotations

from typing import Any

import msgspec

from actorium.http.paging import StoragePage
from actorium.http.route import Auth, Call, NoQuery, Reply, Route
from actorium.kernel.limits import RATE_HIGH, RATE_QUEUE_BATCH
from actorium.request_queues.listing import Listing
from actorium.request_queues.locks import Locks
from actorium.request_queues.model import (
    BatchAdded,
    BatchDeleted,
    ClientQuery,
    DeletedRequest,
    Head,
    HeadQuery,
    ListOfRequests,
    LockedHead,
    LockHeadQuery,
    LockInfo,
    PlaceQuery,
    ProlongQuery,
    Registration,
    RequestQueueShort,
    RequestQueueView,
    RequestsQuery,
    RequestView,
    Unlocked,
)
from actorium.request_queues.service import RequestQueues
from actorium.request_queues.work import Requests
from actorium.storages.model import CreateStorage, ListQuery, NameQuery, UpdateStorage
from actorium.storages.replies import DELETED, opened

TAG = "Storage/Request queues"
TAG_REQUESTS = f"{TAG}/Requests"
TAG_LOCKS = f"{TAG}/Requests locks"
ONE = "/v2/request-queues/{queueId}"
REQUESTS = f"{ONE}/requests"
REQUEST = f"{REQUESTS}/{{requestId}}"


def routes(queues: RequestQueues) -> list[Route]:
    """Every route of request queues."""
    return [
        *_queue_routes(_QueueCalls(queues)),
        *_request_routes(_RequestCalls(queues)),
        *_lock_routes(_LockCalls(queues)),
    ]


def _queue_routes(calls: _QueueCalls) -> list[Route]:
    return [
        Route(
            method="GET", path="/v2/request-queues", handler=calls.page, operation_id="requestQueues_get", tag=TAG,
            summary="Get list of request queues", query=ListQuery, returns=StoragePage[RequestQueueShort],
        ),
        Route(
            method="POST", path="/v2/request-queues", handler=calls.open, operation_id="requestQueues_post", tag=TAG,
            summary="Create request queue", query=NameQuery, body=CreateStorage, optional_body=True,
            returns=RequestQueueView, statuses=(200, 201),
        ),
        Route(
            method="GET", path=ONE, handler=calls.get, operation_id="requestQueue_get", tag=TAG,
            summary="Get request queue", returns=RequestQueueView, auth=Auth.OPTIONAL,
        ),
        Route(
            method="PUT", path=ONE, handler=calls.update, operation_id="requestQueue_put", tag=TAG,
            summary="Update request queue", body=UpdateStorage, returns=RequestQueueView,
        ),
        Route(
            method="DELETE", path=ONE, handler=calls.delete, operation_id="requestQueue_delete", tag=TAG,
            summary="Delete request queue", statuses=(204,),
        ),
    ]  # fmt: skip


def _request_routes(calls: _RequestCalls) -> list[Route]:
    return [
        Route(
            method="POST", path=f"{REQUESTS}/batch", handler=calls.add_batch,
            operation_id="requestQueue_requests_batch_post", tag=TAG, summary="Add requests", query=PlaceQuery,
            body=list[dict[str, Any]], returns=BatchAdded, statuses=(201,), rate=RATE_QUEUE_BATCH, soft_rate=True,
        ),
        Route(
            method="DELETE", path=f"{REQUESTS}/batch", handler=calls.delete_batch,
            operation_id="requestQueue_requests_batch_delete", tag=TAG, summary="Delete requests",
            query=ClientQuery, body=list[DeletedRequest], returns=BatchDeleted, rate=RATE_QUEUE_BATCH,
            soft_rate=True,
        ),
        Route(
            method="GET", path=REQUESTS, handler=calls.page, operation_id="requestQueue_requests_get",
            tag=TAG_REQUESTS, summary="List requests", query=RequestsQuery, returns=ListOfRequests,
            auth=Auth.OPTIONAL,
        ),
        Route(
            method="POST", path=REQUESTS, handler=calls.add, operation_id="requestQueue_requests_post",
            tag=TAG_REQUESTS, summary="Add request", query=PlaceQuery, body=dict[str, Any], returns=Registration,
            statuses=(201,), rate=RATE_HIGH,
        ),
        Route(
            method="GET", path=REQUEST, handler=calls.get, operation_id="requestQueue_request_get", tag=TAG_REQUESTS,
            summary="Get request", returns=RequestView, auth=Auth.OPTIONAL, rate=RATE_HIGH,
        ),
        Route(
            method="PUT", path=REQUEST, handler=calls.update, operation_id="requestQueue_request_put",
            tag=TAG_REQUESTS, summary="Update request", query=PlaceQuery, body=dict[str, Any],
            returns=Registration, rate=RATE_HIGH,
        ),
        Route(
            method="DELETE", path=REQUEST, handler=calls.delete, operation_id="requestQueue_request_delete",
            tag=TAG_REQUESTS, summary="Delete request", query=ClientQuery, statuses=(204,), rate=RATE_HIGH,
        ),
    ]  # fmt: skip


def _lock_routes(calls: _LockCalls) -> list[Route]:
    return [
        Route(
            method="GET", path=f"{ONE}/head", handler=calls.head, operation_id="requestQueue_head_get",
            tag=TAG_LOCKS, summary="Get head", query=HeadQuery, returns=Head, auth=Auth.OPTIONAL,
        ),
        Route(
            method="POST", path=f"{ONE}/head/lock", handler=calls.lock_head,
            operation_id="requestQueue_head_lock_post", tag=TAG_LOCKS, summary="Get head and lock",
            query=LockHeadQuery, returns=LockedHead, statuses=(201,), rate=RATE_QUEUE_BATCH,
        ),
        Route(
            method="POST", path=f"{REQUESTS}/unlock", handler=calls.unlock_all,
            operation_id="requestQueue_requests_unlock_post", tag=TAG_LOCKS, summary="Unlock requests",
            query=ClientQuery, returns=Unlocked,
        ),
        Route(
            method="PUT", path=f"{REQUEST}/lock", handler=calls.prolong,
            operation_id="requestQueue_request_lock_put", tag=TAG_LOCKS, summary="Prolong request lock",
            query=ProlongQuery, returns=LockInfo, rate=RATE_HIGH,
        ),
        Route(
            method="DELETE", path=f"{REQUEST}/lock", handler=calls.unlock,
            operation_id="requestQueue_request_lock_delete", tag=TAG_LOCKS, summary="Delete request lock",
            query=PlaceQuery, statuses=(204,), rate=RATE_HIGH,
        ),
    ]  # fmt: skip


class _QueueCalls:
    """From calls about queues to the service."""

    def __init__(self, queues: RequestQueues) -> None:
        self._queues = queues

    async def page(self, call: Call[ListQuery, None]) -> StoragePage[RequestQueueShort]:
        return await self._queues.page(call.principal, call.query)

    async def open(self, call: Call[NameQuery, CreateStorage | None]) -> Reply:
        view, created = await self._queues.get_or_create(call.principal, call.query.name)
        return opened(view, created=created, path="request-queues")

    async def get(self, call: Call[NoQuery, None]) -> RequestQueueView:
        return await self._queues.get(call.principal, call["queueId"])

    async def update(self, call: Call[NoQuery, UpdateStorage]) -> RequestQueueView:
        return await self._queues.update(call.principal, call["queueId"], call.body)

    async def delete(self, call: Call[NoQuery, None]) -> Reply:
        await self._queues.delete(call.principal, call["queueId"])
        return DELETED


class _RequestCalls:
    """From calls about requests to the service."""

    def __init__(self, queues: RequestQueues) -> None:
        self._requests = Requests(queues)
        self._listing = Listing(queues)

    async def add(self, call: Call[PlaceQuery, dict[str, Any]]) -> Reply:
        query = call.query
        added = await self._requests.add(
            call.principal, call["queueId"], call.body, forefront=query.forefront, client_key=query.client_key
        )
        return Reply(status=201, content=added)

    async def add_batch(self, call: Call[PlaceQuery, list[dict[str, Any]]]) -> Reply:
        added = await self._requests.add_batch(
            call.principal,
            call["queueId"],
            call.body,
            forefront=call.query.forefront,
            client_key=call.query.client_key,
            refused=call.over_rate,
        )
        return Reply(status=201, content=added)

    async def delete_batch(self, call: Call[ClientQuery, list[DeletedRequest]]) -> BatchDeleted:
        return await self._requests.delete_batch(
            call.principal,
            call["queueId"],
            call.body,
            client_key=call.query.client_key,
            refused=call.over_rate,
        )

    async def page(self, call: Call[RequestsQuery, None]) -> ListOfRequests:
        return await self._listing.page(call.principal, call["queueId"], call.query)

    async def get(self, call: Call[NoQuery, None]) -> msgspec.Raw:
        return await self._listing.get(call.principal, call["queueId"], call["requestId"])

    async def update(self, call: Call[PlaceQuery, dict[str, Any]]) -> Registration:
        return await self._requests.update(
            call.principal,
            call["queueId"],
            call["requestId"],
            call.body,
            forefront=call.query.forefront,
            client_key=call.query.client_key,
        )

    async def delete(self, call: Call[ClientQuery, None]) -> Reply:
        await self._requests.delete(
            call.principal, call["queueId"], call["requestId"], client_key=call.query.client_key
        )
        return DELETED


class _LockCalls:
    """From calls about the head and its locks to the service."""

    def __init__(self, queues: RequestQueues) -> None:
        self._locks = Locks(queues)

    async def head(self, call: Call[HeadQuery, None]) -> Head:
        return await self._locks.head(call.principal, call["queueId"], call.query)

    async def lock_head(self, call: Call[LockHeadQuery, None]) -> Reply:
        return Reply(status=201, content=await self._locks.lock_head(call.principal, call["queueId"], call.query))

    async def prolong(self, call: Call[ProlongQuery, None]) -> LockInfo:
        return await self._locks.prolong(call.principal, call["queueId"], call["requestId"], call.query)

    async def unlock(self, call: Call[PlaceQuery, None]) -> Reply:
        await self._locks.unlock(
            call.principal,
            call["queueId"],
            call["requestId"],
            forefront=call.query.forefront,
            client_key=call.query.client_key,
        )
        return DELETED

    async def unlock_all(self, call: Call[ClientQuery, None]) -> Unlocked:
        return await self._locks.unlock_all(call.principal, call["queueId"], client_key=call.query.client_key)
