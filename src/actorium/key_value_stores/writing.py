"""Writing records: whole or not at all, on disk before it is acknowledged, checked where a schema asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from actorium.blobs import Blobs
from actorium.database import Database, Tx
from actorium.http.codings import Decoder
from actorium.kernel.clock import Clock
from actorium.kernel.errors import ActoriumError
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.json_texts import checked, lenient
from actorium.kernel.limits import INLINE_BYTES_MAX, SCHEMALESS_KNOWN_MAX, VALIDATED_RECORD_BYTES_MAX
from actorium.kernel.meter import Meter, Usage
from actorium.kernel.principal import Principal
from actorium.key_value_stores import store
from actorium.key_value_stores.collections import Collection, bare, collections_of
from actorium.key_value_stores.content import (
    DEFAULT_CONTENT_TYPE,
    Body,
    coding_of,
    decoded,
    gathered,
    inspected,
    is_html,
    opening,
    resumed,
    streamed,
)
from actorium.key_value_stores.errors import CompressedHtml, RecordInvalid, StoreSchemaInvalid
from actorium.key_value_stores.keys import check_key
from actorium.key_value_stores.record import Record
from actorium.storages import errors
from actorium.storages.kinds import KEY_VALUE_STORES
from actorium.storages.model import Stored
from actorium.storages.schema_checks import SchemaChecks, TooCostly
from actorium.storages.schemas import SchemaInvalid, TooDeep
from actorium.storages.service import Storages


@dataclass(frozen=True, slots=True)
class Payload:
    """A record's bytes, already on disk if they are too many for a row."""

    size: int
    blob_key: str | None
    inline: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A record as its sender gives it: bytes in a content coding, of a type."""

    content: Body
    content_type: str | None
    content_encoding: str | None = None
    undo_coding: bool = False
    """Store HTML in a coding without it, instead of refusing it."""


class Writing:
    """Records of key-value stores, one by one."""

    def __init__(
        self, storages: Storages, *, database: Database, blobs: Blobs, ids: Ids, clock: Clock, meter: Meter,
        schemas: SchemaChecks,
    ) -> None:  # fmt: skip
        self._storages = storages
        self._database = database
        self._blobs = blobs
        self._ids = ids
        self._clock = clock
        self._meter = meter
        self._schemas = schemas
        self._schemaless: set[str] = set()

    async def put(self, principal: Principal, address: str, key: str, sent: Sent) -> str:
        """Write a record; returns the store's id.

        The bytes are stored as they were sent, in their coding. HTML in a coding is refused with CompressedHtml, or
        stored plain. Raises NotFound, Forbidden, InvalidRecordKey, RecordInvalid, and what Inspection raises.
        """
        check_key(key)
        coding = coding_of(sent.content_encoding)
        kind = sent.content_type or DEFAULT_CONTENT_TYPE
        content = inspected(sent.content, coding)
        if coding is not None and is_html(kind):
            if not sent.undo_coding:
                raise CompressedHtml
            content, coding = decoded(streamed(content), coding), None
        store_id = address
        known = address in self._schemaless and self._storages.reaches(principal, address)
        if not known or not isinstance(content, bytes):
            # Before anything is kept of a body that is not small, and where what is sent may have to be checked.
            stored = await self._database.read(lambda tx: self._storages.writable(tx, principal, address))
            store_id = stored.id
            content = await self._checked(stored, key, content, coding=coding, kind=kind, user_id=principal.user_id)
        payload = await self.prepare(content)

        def work(tx: Tx, *, now: Instant) -> None:
            record = self._record(payload, content_type=kind, content_encoding=coding, now=now)
            if not store.put(tx, store_id, key, record, owner_id=principal.user_id):
                self._storages.writable(tx, principal, store_id)  # says what is wrong
                raise errors.missing(KEY_VALUE_STORES)

        await self._write(work, payload, store_id)
        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_WRITES)
        return store_id

    async def delete(self, principal: Principal, address: str, key: str) -> None:
        """Delete a record; absent is success. Raises NotFound, Forbidden, InvalidRecordKey."""
        check_key(key)

        def work(tx: Tx) -> None:
            stored = self._storages.writable(tx, principal, address)
            store.delete(tx, stored.id, key, self._clock.now())

        await self._database.write(work, lane=address)
        self._meter.count(principal.run_id, Usage.KEY_VALUE_STORE_WRITES)

    async def prepare(self, content: Body) -> Payload:
        """Bring a body to where its bytes will be; a body too large for a row is synced to a blob."""
        if isinstance(content, bytes):
            opened, complete = content, len(content) <= INLINE_BYTES_MAX
        else:
            opened, complete = await opening(content)
        if complete:
            return Payload(len(opened), None, opened)
        blob_key = self._ids.new()
        rest = opened if isinstance(content, bytes) else resumed(opened, content)
        return Payload(await self._blobs.put(blob_key, rest), blob_key, None)

    def put_in(self, tx: Tx, *, store_id: str, key: str, payload: Payload, content_type: str, now: Instant) -> None:
        """Write a record of a prepared payload, without asking who writes. Raises NotFound if the store is gone."""
        if not store.put(tx, store_id, key, self._record(payload, content_type=content_type, now=now)):
            raise errors.missing(KEY_VALUE_STORES)

    async def of_server(self, store_id: str, key: str, content: Body, *, content_type: str) -> None:
        """Write a record without asking who writes. Raises NotFound if the store is gone."""
        payload = await self.prepare(content)
        await self._write(
            partial(self.put_in, store_id=store_id, key=key, payload=payload, content_type=content_type),
            payload,
            store_id,
        )

    # Inside

    def _record(
        self, payload: Payload, *, content_type: str, now: Instant, content_encoding: str | None = None
    ) -> Record:
        return Record(
            content_type=content_type,
            content_encoding=content_encoding,
            size=payload.size,
            version=self._ids.new(),
            modified_at=now,
            blob_key=payload.blob_key,
            payload=payload.inline,
        )

    async def _write(self, work: Callable[..., None], payload: Payload, store_id: str) -> None:
        """Commit a record; a payload that no row can name any more is deleted again."""
        try:
            await self._database.write(partial(work, now=self._clock.now()), lane=store_id)
        except ActoriumError as error:
            if payload.blob_key is not None and error.kind in errors.ROLLED_BACK:
                await self._blobs.delete(payload.blob_key)
            raise

    async def _checked(
        self, stored: Stored, key: str, content: Body, *, coding: str | None, kind: str, user_id: str
    ) -> Body:  # fmt: skip
        """The body, once it is known to be as the collections of its key want it."""
        if stored.profile.schema is None:
            self._remember(stored.id)
            return content
        around = [each for each in collections_of(stored.profile.schema) if each.holds(key)]
        for each in around:
            if not each.takes(kind):
                raise RecordInvalid(
                    f"Records of the collection {each.name[:80]!r} have the content type "
                    f"{' or '.join(each.content_types)[:400]}; this one is sent as {kind[:80]!r}."
                )
        rules = [each for each in around if each.json_schema is not None]
        if not rules or not _is_json(kind):
            return content
        body = await gathered(content, cap=VALIDATED_RECORD_BYTES_MAX)
        document = _document(body, coding)
        for each in rules:
            await self._check(each, document, user_id)
        return body

    def _remember(self, store_id: str) -> None:
        """The next small record for what has no schema needs no look at it: the write itself checks whose it is."""
        if len(self._schemaless) >= SCHEMALESS_KNOWN_MAX:
            self._schemaless.clear()
        self._schemaless.add(store_id)

    async def _check(self, rule: Collection, document: bytes, user_id: str) -> None:
        assert rule.json_schema is not None
        name = f"the collection {rule.name[:80]!r}"
        try:
            report = await self._schemas.check(rule.json_schema, document, user_id=user_id)
        except SchemaInvalid as error:
            field = f"schema.collections.{rule.name[:80]}.jsonSchema"
            raise StoreSchemaInvalid(".".join(filter(None, (field, error.path))), str(error)) from None
        except TooDeep:
            raise RecordInvalid(f"The record is nested too deeply to be checked against {name}.") from None
        except TooCostly:
            raise RecordInvalid(f"To check the record against {name} takes too long; make it smaller.") from None
        if report is not None:
            [invalid] = report.invalid
            found = invalid["validationErrors"]
            raise RecordInvalid(
                f"The record is not valid against the JSON schema of {name}: "
                f"{found[0]['instancePath'] or 'it'} {found[0]['message']}.",
                data={"validationErrors": found},
            )


def _is_json(content_type: str) -> bool:
    kind = bare(content_type)
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _document(body: bytes, coding: str | None) -> bytes:
    """A body's JSON text without raw newlines. Raises RecordInvalid if it is none."""
    decoder = Decoder(coding, cap=VALIDATED_RECORD_BYTES_MAX)
    text = decoder.feed(body)
    decoder.finish()
    try:
        text.decode()  # the JSON library lets broken UTF-8 inside strings pass
        text = lenient(text, checked)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise RecordInvalid(f"The record is sent as JSON and is no valid JSON: {error}.") from None
    return text.replace(b"\n", b" ").replace(b"\r", b" ")  # never inside a string, where they are escaped
