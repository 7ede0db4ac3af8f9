"""Key-value stores as callers meet them: made, found, records written and read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from actorium.blobs import Blobs
from actorium.database import Tx
from actorium.http.paging import StoragePage, clamp_limit
from actorium.kernel.errors import ActoriumError, BackendUnavailable, NotFound
from actorium.kernel.instant import Instant
from actorium.kernel.limits import INLINE_BYTES_MAX, KEYS_PER_PAGE_MAX
from actorium.kernel.meter import Meter, Usage
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.key_value_stores import store
from actorium.key_value_stores.content import checked, coding_of, decoded, opening, resumed, whole
from actorium.key_value_stores.errors import CompressedHtml, RecordNotFound, UnknownCollection
from actorium.key_value_stores.keys import KEY_PUNCTUATION, check_key, is_key_part
from actorium.key_value_stores.model import (
    KeyEntry,
    KeysQuery,
    KeyValueStoreStats,
    KeyValueStoreView,
    ListOfKeys,
)
from actorium.key_value_stores.record import Record
from actorium.storages import errors
from actorium.storages.kinds import KEY_VALUE_STORES
from actorium.storages.model import ListQuery, Stored, UpdateStorage
from actorium.storages.service import Signed, Storages, Surroundings, is_open, secret_for
from actorium.storages.signing import record_signed, sign_record

DEFAULT_CONTENT_TYPE = "application/octet-stream"
HTML_TYPES = ("text/html", "application/xhtml+xml")
READ_TRIES = 3  # a record may be written over, and its blob deleted, between its row and its first byte


@dataclass(frozen=True, slots=True)
class Payload:
    """A record's bytes, already on disk if they are too many for a row."""

    size: int
    blob_key: str | None
    inline: bytes | None


@dataclass(frozen=True, slots=True)
class Content:
    """A record that was found, ready to be sent."""

    store_id: str
    record: Record
    body: bytes | AsyncGenerator[bytes, None]
    """The bytes as stored, in the record's coding."""

    def plain(self) -> bytes | AsyncGenerator[bytes, None]:
        """The bytes without the coding."""
        coding = self.record.content_encoding
        if coding is None:
            return self.body
        return decoded(whole(self.body) if isinstance(self.body, bytes) else self.body, coding)

    async def close(self) -> None:
        """For those who do not read the body."""
        if not isinstance(self.body, bytes):
            await self.body.aclose()


class KeyValueStores:
    """Key-value stores by id, ``~name`` or ``username~name``. Methods that take a ``tx`` compose into one work."""

    clear = staticmethod(store.clear)

    def __init__(self, surroundings: Surroundings, *, blobs: Blobs, meter: Meter) -> None:
        self._storages = Storages(KEY_VALUE_STORES, surroundings)
        self._database = surroundings.database
        self._clock = surroundings.clock
        self._ids = surroundings.ids
        self._blobs = blobs
        self._meter = meter

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
        expires_at: Instant | None = None,
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
            expires_at=expires_at,
            schema=schema,
        )

    def delete_in(self, tx: Tx, id: str) -> bool:
        """Delete by id without asking who wants it; False if it is not there."""
        return self._storages.delete_in(tx, id)

    async def prepare(self, content: bytes | AsyncIterator[bytes]) -> Payload:
        """Bring a body to where its bytes will be; a body too large for a row is synced to a blob."""
        opened, complete = await opening(whole(content) if isinstance(content, bytes) else content)
        if complete and len(opened) <= INLINE_BYTES_MAX:
            return Payload(len(opened), None, opened)
        blob_key = self._ids.new()
        rest: bytes | AsyncIterator[bytes] = opened if isinstance(content, bytes) else resumed(opened, content)
        return Payload(await self._blobs.put(blob_key, rest), blob_key, None)

    def put_in(
        self,
        tx: Tx,
        *,
        store_id: str,
        key: str,
        payload: Payload,
        content_type: str,
        now: Instant,
        content_encoding: str | None = None,
    ) -> None:
        """Write a record of a prepared payload. Raises NotFound if the store is gone."""
        record = Record(
            content_type=content_type,
            content_encoding=content_encoding,
            size=payload.size,
            version=self._ids.new(),
            modified_at=now,
            blob_key=payload.blob_key,
            payload=payload.inline,
        )
        if not store.put(tx, store_id, key, record):
            raise errors.missing(KEY_VALUE_STORES)

    async def put_as_server(
        self, store_id: str, key: str, content: bytes | AsyncIterator[bytes], *, content_type: str
    ) -> None:
        """Write a record for the server itself. Raises NotFound if the store is gone."""
        payload = await self.prepare(content)
        await self._write(
            partial(self.put_in, store_id=store_id, key=key, payload=payload, content_type=content_type), payload
        )

    async def get_as_server(self, store_id: str, key: str) -> Content:
        """Read a record for the server itself. Raises RecordNotFound."""
        return await self._open(lambda tx: (store_id, store.find(tx, store_id, key)))

    # The object

    async def get_or_create(
        self, principal: Principal, name: str | None, *, schema: dict[str, Any] | None = None
    ) -> tuple[KeyValueStoreView, bool]:
        """The caller's store of this name, and whether it is new."""
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
        content: AsyncIterator[bytes],
        *,
        content_type: str | None,
        content_encoding: str | None = None,
        undo_coding: bool = False,
    ) -> str:
        """Write a record whole or not at all, synced; returns the store's id.

        content: the bytes as they were sent, in ``content_encoding``; they are stored so. HTML in a coding is refused
        with CompressedHtml, or stored plain with ``undo_coding``. Raises NotFound, Forbidden, InvalidRecordKey.
        """
        check_key(key)
        coding = coding_of(content_encoding)
        kind = content_type or DEFAULT_CONTENT_TYPE
        content = checked(content, coding)
        if coding is not None and is_html(kind):
            if not undo_coding:
                raise CompressedHtml
            content, coding = decoded(content, coding), None
        stored = await self._database.read(lambda tx: self._storages.writable(tx, principal, address))
        payload = await self.prepare(content)

        def work(tx: Tx, *, now: Instant) -> None:
            self._storages.writable(tx, principal, stored.id)
            self.put_in(
                tx,
                store_id=stored.id,
                key=key,
                payload=payload,
                content_type=kind,
                content_encoding=coding,
                now=now,
            )

        await self._write(work, payload)
        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_WRITES)
        return stored.id

    async def read(self, principal: Principal, address: str, key: str, *, signature: str | None = None) -> Content:
        """A record. Raises NotFound, RecordNotFound, Forbidden, InvalidRecordKey."""
        check_key(key)
        signed = _record_signature(signature, key)

        def work(tx: Tx) -> tuple[str, Record | None]:
            try:
                stored = self._storages.readable(tx, principal, address, signed=signed)
            except NotFound as error:
                # Clients read a 404 as "no such record"; a store that is not there or not theirs has to be an error.
                raise errors.refused(KEY_VALUE_STORES) from error
            return stored.id, store.find(tx, stored.id, key)

        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_READS)
        found = await self._open(work)
        self._storages.saw(found.store_id, reads=1)
        return found

    async def delete_record(self, principal: Principal, address: str, key: str) -> None:
        """Delete a record; absent is success. Raises NotFound, Forbidden, InvalidRecordKey."""
        check_key(key)

        def work(tx: Tx) -> None:
            stored = self._storages.writable(tx, principal, address)
            store.delete(tx, stored.id, key, self._clock.now())

        await self._database.write(work)
        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_WRITES)

    async def keys(self, principal: Principal, address: str, query: KeysQuery) -> ListOfKeys:
        """A page of keys in the order of their bytes. Raises NotFound, Forbidden, UnknownCollection."""
        if query.collection is not None:
            raise UnknownCollection(f"The key-value store's schema has no collection {query.collection[:80]!r}.")
        limit = clamp_limit(query.limit, default=KEYS_PER_PAGE_MAX, cap=KEYS_PER_PAGE_MAX)
        prefix, after = query.prefix or "", query.exclusive_start_key or ""
        signed = self._storages.contents_signature(query.signature)

        def work(tx: Tx) -> tuple[Stored, list[tuple[str, int]]]:
            stored = self._storages.readable(tx, principal, address, signed=signed)
            if not is_key_part(prefix):
                return stored, []
            return stored, store.keys(tx, stored.id, after=after, prefix=prefix, limit=limit + 1)

        stored, found = await self._database.read(work)
        self._storages.saw(stored.id, lists=1)
        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_LISTS)
        page = found[:limit]
        truncated = len(found) > limit
        sign = stored.owner_id == principal.user_id or signed is not None
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

    # Inside

    async def _open(self, work: Callable[[Tx], tuple[str, Record | None]]) -> Content:
        """Find a record and the first of its bytes: a blob that is written over meanwhile is looked up again."""
        for _ in range(READ_TRIES):
            store_id, record = await self._database.read(work)
            if record is None:
                raise RecordNotFound
            if record.blob_key is None:
                return Content(store_id, record, record.payload or b"")
            stream = aiter(self._blobs.stream(record.blob_key))
            try:
                first = await anext(stream, b"")
            except KeyError:
                continue
            return Content(store_id, record, resumed(first, stream))
        raise BackendUnavailable

    async def _write(self, work: Callable[..., None], payload: Payload) -> None:
        """Commit a record; a payload that no row can name any more is deleted again."""
        try:
            await self._database.write(partial(work, now=self._clock.now()))
        except ActoriumError as error:
            if payload.blob_key is not None and error.kind in errors.ROLLED_BACK:
                await self._blobs.delete(payload.blob_key)
            raise

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
            act_id=profile.act_id,
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
            ),
        )


def is_html(content_type: str) -> bool:
    """Whether a browser would show the content as a page."""
    return content_type.partition(";")[0].strip().lower() in HTML_TYPES


def _record_signature(signature: str | None, key: str) -> Signed | None:
    if not signature:
        return None
    return lambda stored: record_signed(signature, secret=stored.profile.signing_secret, key=key)
