"""Finding a record and the bytes of it that are wanted; the bytes are streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import msgspec

from actorium.blobs import Blobs
from actorium.database import Database, Tx
from actorium.kernel.errors import BackendUnavailable, NotFound
from actorium.kernel.meter import Meter, Usage
from actorium.kernel.principal import Principal
from actorium.key_value_stores import store
from actorium.key_value_stores.conditions import Span
from actorium.key_value_stores.content import decoded, resumed, streamed
from actorium.key_value_stores.errors import RecordNotFound
from actorium.key_value_stores.keys import check_key
from actorium.key_value_stores.record import Record
from actorium.storages import errors
from actorium.storages.kinds import KEY_VALUE_STORES
from actorium.storages.service import Signed, Storages
from actorium.storages.signing import record_signed

READ_TRIES = 3  # a record may be written over, and its blob deleted, between its row and its first byte

Wanted = Callable[[Record], Span | None]
"""Which of the bytes of a record are wanted, asked for each version that is found; None for none."""


class Content(msgspec.Struct, frozen=True):
    """A record that was found, ready to be sent."""

    store_id: str
    record: Record
    body: bytes | AsyncGenerator[bytes, None]
    """The bytes that were wanted, as they are stored: in the record's coding."""

    def plain(self) -> bytes | AsyncGenerator[bytes, None]:
        """All of the bytes without the coding."""
        coding = self.record.content_encoding
        return self.body if coding is None else decoded(streamed(self.body), coding)


def all_of_it(record: Record) -> Span | None:
    """Every byte of a record is wanted."""
    return Span(0, record.size)


class Reading:
    """Records of key-value stores, one by one."""

    def __init__(self, storages: Storages, *, database: Database, blobs: Blobs, meter: Meter) -> None:
        self._storages = storages
        self._database = database
        self._blobs = blobs
        self._meter = meter

    async def read(
        self, principal: Principal, address: str, key: str, *, signature: str | None, wanted: Wanted
    ) -> Content:
        """A record. Raises RecordNotFound, Forbidden, InvalidRecordKey."""
        check_key(key)
        signed = _record_signature(signature, key)

        def work(tx: Tx) -> tuple[str, Record | None]:
            if self._storages.reaches(principal, address):
                record = store.find_owned(tx, address, key, owner_id=principal.user_id)
                if record is not None:
                    return address, record
            try:
                stored = self._storages.readable(tx, principal, address, signed=signed)
            except NotFound as error:
                # Clients read a 404 as "no such record"; a store that is not there or not theirs has to be an error.
                raise errors.refused(KEY_VALUE_STORES) from error
            return stored.id, store.find(tx, stored.id, key)

        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_READS)
        found = await self.open(work, wanted=wanted)
        self._storages.saw(found.store_id, reads=1)
        return found

    async def of_server(self, store_id: str, key: str) -> Content:
        """A record, without asking who reads. Raises RecordNotFound."""
        return await self.open(lambda tx: (store_id, store.find(tx, store_id, key)))

    async def open(self, work: Callable[[Tx], tuple[str, Record | None]], *, wanted: Wanted = all_of_it) -> Content:
        """Find a record and the first of its bytes: a blob that is written over meanwhile is looked up again."""
        for _ in range(READ_TRIES):
            store_id, record = await self._database.read(work)
            if record is None:
                raise RecordNotFound
            content = await self.content(store_id, record, wanted=wanted)
            if content is not None:
                return content
        raise BackendUnavailable

    async def content(self, store_id: str, record: Record, *, wanted: Wanted = all_of_it) -> Content | None:
        """The wanted bytes of a record as its row was read; None if its blob is gone since."""
        span = wanted(record)
        if span is None:
            return Content(store_id, record, b"")
        if record.blob_key is None:
            payload = record.payload or b""
            return Content(store_id, record, payload if span.size == record.size else payload[span.start : span.end])
        stream = aiter(self._blobs.stream(record.blob_key, start=span.start, end=span.end))
        try:
            first = await anext(stream, b"")
        except KeyError:
            return None
        return Content(store_id, record, resumed(first, stream))


def _record_signature(signature: str | None, key: str) -> Signed | None:
    if not signature:
        return None
    return lambda stored: record_signed(signature, secret=stored.profile.signing_secret, key=key)
