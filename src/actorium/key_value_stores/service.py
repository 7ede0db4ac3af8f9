"""Key-value stores as callers meet them: made, found, records written and read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from actorium.blobs import Blobs
from actorium.database import Tx
from actorium.http.paging import StoragePage, clamp_limit
from actorium.kernel.instant import Instant
from actorium.kernel.limits import KEYS_PER_PAGE_MAX
from actorium.kernel.meter import Meter, Usage
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.key_value_stores import store
from actorium.key_value_stores.archive import Archive
from actorium.key_value_stores.collections import check_schema, selection
from actorium.key_value_stores.content import Body
from actorium.key_value_stores.keys import KEY_PUNCTUATION
from actorium.key_value_stores.model import (
    KeyEntry,
    KeysQuery,
    KeyValueStoreStats,
    KeyValueStoreView,
    ListOfKeys,
    RecordsQuery,
)
from actorium.key_value_stores.reading import Content, Reading, Wanted, all_of_it
from actorium.key_value_stores.writing import Payload, Sent, Writing
from actorium.storages.extent import NOTHING, Extent
from actorium.storages.kinds import KEY_VALUE_STORES
from actorium.storages.model import ListQuery, Stored, UpdateStorage
from actorium.storages.rights import Right, is_open, may_manage
from actorium.storages.service import Storages, Surroundings, secret_for
from actorium.storages.signing import sign_record


@dataclass(frozen=True, slots=True)
class Packed:
    """A store's records as a ZIP file, ready to be streamed."""

    name: str
    """A name for the file."""
    content: AsyncGenerator[bytes, None]


class KeyValueStores:
    """Key-value stores by id, ``~name`` or ``username~name``. Methods that take a ``tx`` compose into one work."""

    clear = staticmethod(store.clear)

    def __init__(self, surroundings: Surroundings, *, blobs: Blobs, meter: Meter) -> None:
        self._storages = Storages(KEY_VALUE_STORES, surroundings)
        self._database = surroundings.database
        self._meter = meter
        self._schemas = surroundings.schemas
        self._reading = Reading(self._storages, database=self._database, blobs=blobs, meter=meter)
        self._writing = Writing(
            self._storages,
            database=self._database,
            blobs=blobs,
            ids=surroundings.ids,
            clock=surroundings.clock,
            meter=meter,
            schemas=surroundings.schemas,
        )
        self._archive = Archive(database=self._database, reading=self._reading, clock=surroundings.clock)

    # For other features: nobody's rights are checked

    def create_in(
        self,
        tx: Tx,
        *,
        id: str,
        owner_id: str,
        now: Instant,
        name: str | None = None,
        created_by_run: str | None = None,
        act_id: str | None = None,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Add an empty store."""
        self._storages.create_in(
            tx,
            id=id,
            owner_id=owner_id,
            now=now,
            name=name,
            created_by_run=created_by_run,
            act_id=act_id,
            schema=schema,
        )

    def right_in(self, tx: Tx, principal: Principal, address: str) -> Right | None:
        """What the caller may do with it, and so hand over to a run; None: nothing."""
        return self._storages.right_in(tx, principal, address)

    def delete_in(self, tx: Tx, id: str) -> bool:
        """Delete by id without asking who wants it; False if it is not there."""
        return self._storages.delete_in(tx, id)

    def held_in(self, tx: Tx, id: str, *, limit: int) -> Extent:
        """How much a copy of a store takes, counted up to ``limit`` rows; it does not change in this transaction.

        Nothing for one that is gone.
        """
        stored = self._storages.held_in(tx, id)
        return NOTHING if stored is None else store.extent(tx, id, limit=limit)

    def copy_in(self, tx: Tx, source_id: str, id: str) -> None:
        """Make a new store a copy of one that this transaction holds. Blobs are shared."""
        source = self._storages.by_id(tx, source_id)
        if source is not None:
            self._storages.take_over_in(tx, source, id, own=())
            store.copy(tx, source_id, id)

    def await_writes_in(self, tx: Tx, id: str, until: Instant) -> None:
        """Have whoever writes a record until a moment ring the bells of (WRITES, id)."""
        store.await_writes(tx, id, until)

    def write_count_in(self, tx: Tx, id: str) -> int:
        """How often a record was written to a store; 0 for one that is gone."""
        stored = self._storages.by_id(tx, id)
        return 0 if stored is None else stored.write_count

    async def prepare(self, content: Body) -> Payload:
        """Bring a body to where its bytes will be; a body too large for a row is synced to a blob."""
        return await self._writing.prepare(content)

    def put_in(self, tx: Tx, *, store_id: str, key: str, payload: Payload, content_type: str, now: Instant) -> None:
        """Write a record of a prepared payload. Raises NotFound if the store is gone."""
        self._writing.put_in(tx, store_id=store_id, key=key, payload=payload, content_type=content_type, now=now)

    async def put_as_server(self, store_id: str, key: str, content: Body, *, content_type: str) -> None:
        """Write a record for the server itself. Raises NotFound if the store is gone."""
        await self._writing.of_server(store_id, key, content, content_type=content_type)

    async def get_as_server(self, store_id: str, key: str) -> Content:
        """Read a record for the server itself. Raises RecordNotFound."""
        return await self._reading.of_server(store_id, key)

    # The object

    async def get_or_create(
        self, principal: Principal, name: str | None, *, schema: dict[str, Any] | None = None
    ) -> tuple[KeyValueStoreView, bool]:
        """The caller's store of this name, and whether it is new. Raises StoreSchemaInvalid."""
        await check_schema(self._schemas, schema)
        stored, created = await self._storages.get_or_create(principal, name, schema=schema)
        self._storages.saw(stored.id)
        return self._view(stored, principal), created

    async def get(self, principal: Principal, address: str) -> KeyValueStoreView:
        """A store that the caller may read. Raises NotFound."""
        stored = await self._database.read(lambda tx: self._storages.readable(tx, principal, address))
        return self._view(stored, principal)

    async def update(self, principal: Principal, address: str, change: UpdateStorage) -> KeyValueStoreView:
        """Change name, title or access. Raises NotFound, NameNotUnique."""
        return self._view(await self._storages.update(principal, address, change), principal)

    async def delete(self, principal: Principal, address: str) -> None:
        """Delete a store. Raises NotFound."""
        await self._storages.delete(principal, address)

    async def page(self, principal: Principal, query: ListQuery) -> StoragePage[KeyValueStoreView]:
        """A page of the caller's stores."""
        return await self._storages.page(principal, query, view=lambda stored: self._view(stored, principal))

    # Records

    async def put(
        self,
        principal: Principal,
        address: str,
        key: str,
        content: Body,
        *,
        content_type: str | None,
        content_encoding: str | None = None,
        undo_coding: bool = False,
    ) -> str:
        """Write a record whole or not at all, synced; returns the store's id.

        content: the bytes as they were sent, in ``content_encoding``; they are stored so. HTML in a coding is refused,
        or stored plain with ``undo_coding``. Raises NotFound, Forbidden, InvalidRecordKey, CompressedHtml,
        RecordInvalid, and what is wrong with a coding.
        """
        sent = Sent(
            content=content, content_type=content_type, content_encoding=content_encoding, undo_coding=undo_coding
        )
        return await self._writing.put(principal, address, key, sent)

    async def read(
        self,
        principal: Principal,
        address: str,
        key: str,
        *,
        signature: str | None = None,
        wanted: Wanted = all_of_it,
    ) -> Content:
        """A record and the bytes of it that are wanted. Raises RecordNotFound, Forbidden, InvalidRecordKey."""
        return await self._reading.read(principal, address, key, signature=signature, wanted=wanted)

    async def delete_record(self, principal: Principal, address: str, key: str) -> None:
        """Delete a record; absent is success. Raises NotFound, Forbidden, InvalidRecordKey."""
        await self._writing.delete(principal, address, key)

    async def keys(self, principal: Principal, address: str, query: KeysQuery) -> ListOfKeys:
        """A page of keys in the order of their bytes. Raises NotFound, Forbidden, UnknownCollection."""
        limit = clamp_limit(query.limit, default=KEYS_PER_PAGE_MAX, cap=KEYS_PER_PAGE_MAX)
        prefix, after = query.prefix or "", query.exclusive_start_key or ""
        signed = self._storages.contents_signature(query.signature)

        def work(tx: Tx) -> tuple[Stored, list[tuple[str, int]]]:
            stored = self._storages.readable(tx, principal, address, signed=signed)
            chosen = selection(stored.profile.schema, prefix=prefix, collection=query.collection)
            if chosen is None:
                return stored, []
            most = 1 if chosen.is_exact else limit + 1
            found = store.keys(tx, stored.id, after=after, prefix=chosen.prefix, limit=most)
            return stored, [(key, size) for key, size in found if key == chosen.prefix or not chosen.is_exact]

        stored, found = await self._database.read(work)
        self._storages.saw(stored.id, lists=1)
        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_LISTS)
        page = found[:limit]
        truncated = len(found) > limit
        sign = may_manage(stored, principal) or signed is not None
        return ListOfKeys(
            items=[
                KeyEntry(key=key, size=size, record_public_url=self._record_url(stored, key, sign=sign))
                for key, size in page
            ],
            count=len(page),
            limit=limit,
            exclusive_start_key=query.exclusive_start_key,
            is_truncated=truncated,
            next_exclusive_start_key=page[-1][0] if truncated else None,
        )

    async def packed(self, principal: Principal, address: str, query: RecordsQuery) -> Packed:
        """Records as a ZIP file. Raises NotFound, Forbidden, UnknownCollection."""
        signed = self._storages.contents_signature(query.signature)
        stored = await self._database.read(lambda tx: self._storages.readable(tx, principal, address, signed=signed))
        chosen = selection(stored.profile.schema, prefix=query.prefix or "", collection=query.collection)
        self._storages.saw(stored.id, reads=1)
        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_READS)
        return Packed(f"{stored.name or stored.id}.zip", self._archive.packed(stored.id, chosen))

    # Inside

    def _record_url(self, stored: Stored, key: str, *, sign: bool) -> str:
        url = self._storages.url(stored.id, f"/records/{quote(key, safe=KEY_PUNCTUATION)}")
        if not sign or is_open(stored):
            return url
        return f"{url}?signature={sign_record(stored.profile.signing_secret, key)}"

    def _view(self, stored: Stored, principal: Principal) -> KeyValueStoreView:
        storages, profile = self._storages, stored.profile
        return KeyValueStoreView(
            id=stored.id,
            name=stored.name,
            user_id=stored.owner_id,
            username=principal.username if stored.owner_id == principal.user_id else UNSET,
            created_at=stored.created_at,
            modified_at=stored.modified_at,
            accessed_at=storages.accessed_at(stored),
            act_id=stored.act_id,
            act_run_id=stored.created_by_run,
            schema=profile.schema,
            title=profile.title,
            console_url=storages.console_url(stored.id),
            keys_public_url=storages.contents_url(stored, "/keys", principal=principal),
            records_public_url=storages.contents_url(stored, "/records", principal=principal),
            url_signing_secret_key=secret_for(stored, principal) or UNSET,
            general_access=profile.general_access,
            stats=KeyValueStoreStats(
                read_count=storages.read_count(stored),
                write_count=stored.write_count,
                delete_count=stored.delete_count,
                list_count=storages.list_count(stored),
                storage_bytes=stored.byte_count,
                s3_storage_bytes=stored.byte_count,
            ),
        )
