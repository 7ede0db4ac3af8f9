"""The routes of key-value stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request

from actorium.http.body import read_body, stream_body
from actorium.http.paging import StoragePage
from actorium.http.route import Auth, Call, NoQuery, Reply, Route
from actorium.kernel.limits import INLINE_BYTES_MAX, RATE_RECORD, RECORD_BYTES_MAX
from actorium.key_value_stores.content import Body
from actorium.key_value_stores.errors import ServiceWorkerRefused
from actorium.key_value_stores.keys import KEY_PUNCTUATION
from actorium.key_value_stores.model import KeysQuery, KeyValueStoreView, ListOfKeys, RecordQuery, RecordsQuery
from actorium.key_value_stores.replies import is_private, record_reply
from actorium.key_value_stores.service import KeyValueStores
from actorium.key_value_stores.serving import Asked
from actorium.storages.model import CreateStorage, ListQuery, NameQuery, UpdateStorage
from actorium.storages.replies import DELETED, attachment, opened

TAG = "Storage/Key-value stores"
ONE = "/v2/key-value-stores/{storeId}"
RECORD = f"{ONE}/records/{{recordKey}}"
COMPRESSING_CLIENT = "apifyclient/"
"""Official clients compress every body without being asked, so HTML in a coding is theirs to send."""
_WITH_BYTES = (200, 206)


def routes(stores: KeyValueStores) -> list[Route]:
    """Every route of key-value stores."""
    calls = _Calls(stores)
    puts = [
        Route(
            method=method, path=RECORD, handler=calls.put, operation_id=f"keyValueStore_record_{method.lower()}",
            tag=TAG, summary=f"Store record ({method})", envelope=False, statuses=(201,), rate=RATE_RECORD,
        )
        for method in ("PUT", "POST")
    ]  # fmt: skip
    return [
        Route(
            method="GET", path="/v2/key-value-stores", handler=calls.page, operation_id="keyValueStores_get", tag=TAG,
            summary="Get list of key-value stores", query=ListQuery, returns=StoragePage[KeyValueStoreView],
        ),
        Route(
            method="POST", path="/v2/key-value-stores", handler=calls.open, operation_id="keyValueStores_post", tag=TAG,
            summary="Create key-value store", query=NameQuery, body=CreateStorage, optional_body=True,
            returns=KeyValueStoreView, statuses=(200, 201),
        ),
        Route(
            method="GET", path=ONE, handler=calls.get, operation_id="keyValueStore_get", tag=TAG,
            summary="Get key-value store", returns=KeyValueStoreView, auth=Auth.OPTIONAL,
        ),
        Route(
            method="PUT", path=ONE, handler=calls.update, operation_id="keyValueStore_put", tag=TAG,
            summary="Update key-value store", body=UpdateStorage, returns=KeyValueStoreView,
        ),
        Route(
            method="DELETE", path=ONE, handler=calls.delete, operation_id="keyValueStore_delete", tag=TAG,
            summary="Delete key-value store", statuses=(204,),
        ),
        Route(
            method="GET", path=f"{ONE}/keys", handler=calls.keys, operation_id="keyValueStore_keys_get", tag=TAG,
            summary="Get list of keys", query=KeysQuery, returns=ListOfKeys, auth=Auth.OPTIONAL,
        ),
        Route(
            method="GET", path=f"{ONE}/records", handler=calls.pack, operation_id="keyValueStore_records_get", tag=TAG,
            summary="Download records", query=RecordsQuery, envelope=False, media_type="application/zip",
            auth=Auth.OPTIONAL,
        ),
        Route(
            method="GET", path=RECORD, handler=calls.read, operation_id="keyValueStore_record_get", tag=TAG,
            summary="Get record", query=RecordQuery, envelope=False, media_type="*/*", auth=Auth.OPTIONAL,
            rate=RATE_RECORD,
        ),
        Route(
            method="HEAD", path=RECORD, handler=calls.head, operation_id="keyValueStore_record_head", tag=TAG,
            summary="Check if a record exists", query=RecordQuery, envelope=False, auth=Auth.OPTIONAL,
            rate=RATE_RECORD,
        ),
        *puts,
        Route(
            method="DELETE", path=RECORD, handler=calls.delete_record, operation_id="keyValueStore_record_delete",
            tag=TAG, summary="Delete record", statuses=(204,), rate=RATE_RECORD,
        ),
    ]  # fmt: skip


class _Calls:
    """From calls to the service."""

    def __init__(self, stores: KeyValueStores) -> None:
        self._stores = stores

    async def page(self, call: Call[ListQuery, None]) -> StoragePage[KeyValueStoreView]:
        return await self._stores.page(call.principal, call.query)

    async def open(self, call: Call[NameQuery, CreateStorage | None]) -> Reply:
        schema = call.body.schema if call.body else None
        view, created = await self._stores.get_or_create(call.principal, call.query.name, schema=schema)
        return opened(view, created=created, path="key-value-stores")

    async def get(self, call: Call[NoQuery, None]) -> KeyValueStoreView:
        return await self._stores.get(call.principal, call["storeId"])

    async def update(self, call: Call[NoQuery, UpdateStorage]) -> KeyValueStoreView:
        return await self._stores.update(call.principal, call["storeId"], call.body)

    async def delete(self, call: Call[NoQuery, None]) -> Reply:
        await self._stores.delete(call.principal, call["storeId"])
        return DELETED

    async def keys(self, call: Call[KeysQuery, None]) -> ListOfKeys:
        return await self._stores.keys(call.principal, call["storeId"], call.query)

    async def put(self, call: Call[NoQuery, None]) -> Reply:
        headers = _headers(call.request)
        store_id = await self._stores.put(
            call.principal,
            call["storeId"],
            call["recordKey"],
            await _body(call.request, headers),
            content_type=headers.get("content-type"),
            content_encoding=headers.get("content-encoding"),
            undo_coding=(call.origin.user_agent or "").lower().startswith(COMPRESSING_CLIENT),
        )
        location = f"/v2/key-value-stores/{store_id}/records/{quote(call['recordKey'], safe=KEY_PUNCTUATION)}"
        return Reply(status=201, content={}, envelope=False, headers={"Location": location})

    async def read(self, call: Call[RecordQuery, None]) -> Reply:
        return await self._read(call, body=True)

    async def head(self, call: Call[RecordQuery, None]) -> Reply:
        return await self._read(call, body=False)

    async def _read(self, call: Call[RecordQuery, None], *, body: bool) -> Reply:
        sent = _headers(call.request)
        if sent.get("service-worker") is not None:
            raise ServiceWorkerRefused
        asked = Asked(sent, body=body, is_private=is_private(call.request))
        found = await self._stores.read(
            call.principal, call["storeId"], call["recordKey"], signature=call.query.signature, wanted=asked
        )
        reply = record_reply(found, asked.plan)
        if call.query.attachment and reply.status in _WITH_BYTES:
            reply = replace(reply, headers={**reply.headers, **attachment(call["recordKey"])})
        return reply

    async def pack(self, call: Call[RecordsQuery, None]) -> Reply:
        packed = await self._stores.packed(call.principal, call["storeId"], call.query)
        return Reply(content=packed.content, headers=attachment(packed.name), media_type="application/zip")

    async def delete_record(self, call: Call[NoQuery, None]) -> Reply:
        await self._stores.delete_record(call.principal, call["storeId"], call["recordKey"])
        return DELETED


def _headers(request: Request) -> dict[str, str]:
    """A request's headers by name, looked through once: a record's handlers ask for many."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}


async def _body(request: Request, headers: Mapping[str, str]) -> Body:
    """The bytes as they are sent; small ones that say so at once, others as they come."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and len(declared) < 10 and int(declared) <= INLINE_BYTES_MAX:
        return await read_body(request.receive, {}, cap=INLINE_BYTES_MAX)
    return stream_body(request, cap=RECORD_BYTES_MAX, decode=False)
