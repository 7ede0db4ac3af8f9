"""Datasets as callers meet them: made, found, filled, read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from actorium.blobs import Blobs
from actorium.database import Tx
from actorium.datasets import store
from actorium.datasets.chunks import Reader
from actorium.datasets.errors import NoColumns, NoFieldsSchema, NoSchema
from actorium.datasets.export import Range, range_of, transform_of, viewed, writer_of
from actorium.datasets.formats import Item, Writer
from actorium.datasets.formats.json_texts import JsonArray, JsonLines
from actorium.datasets.model import DatasetShort, DatasetStats, DatasetView, ItemsQuery
from actorium.datasets.slices import Slices, loads, slice_items
from actorium.datasets.transform import Transform, spread
from actorium.http.paging import StoragePage
from actorium.kernel.errors import ActoriumError, InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.limits import COLUMNS_MAX, INLINE_BYTES_MAX
from actorium.kernel.meter import Meter, Usage
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.storages import errors
from actorium.storages.kinds import DATASETS
from actorium.storages.model import ListQuery, Stored, UpdateStorage
from actorium.storages.service import Storages, Surroundings, secret_for


@dataclass(frozen=True, slots=True)
class Items:
    """A reading of items, ready to be streamed."""

    stored: Stored
    range: Range
    writer: Writer
    content: AsyncGenerator[bytes, None]


class Datasets:
    """Datasets by id, ``~name`` or ``username~name``. Methods that take a ``tx`` compose into a caller's work."""

    clear = staticmethod(store.clear)

    def __init__(self, surroundings: Surroundings, *, blobs: Blobs, meter: Meter) -> None:
        self._storages = Storages(DATASETS, surroundings)
        self._database = surroundings.database
        self._clock = surroundings.clock
        self._ids = surroundings.ids
        self._blobs = blobs
        self._meter = meter
        self._reader = Reader(surroundings.database, blobs)

    # For other features

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
        """Add an empty dataset."""
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

    # The object

    async def get_or_create(
        self, principal: Principal, name: str | None, *, schema: dict[str, Any] | None = None
    ) -> tuple[DatasetView, bool]:
        """The caller's dataset of this name, and whether it is new."""
        stored, created = await self._storages.get_or_create(principal, name, schema=schema)
        self._storages.saw(stored.id)
        return self._view(stored, principal), created

    async def get(self, principal: Principal, address: str) -> DatasetView:
        """A dataset that the caller may read. Raises NotFound."""
        stored = await self._database.read(lambda tx: self._storages.readable(tx, principal, address))
        return self._view(stored, principal)

    async def update(self, principal: Principal, address: str, change: UpdateStorage) -> DatasetView:
        """Change name, title or access. Raises NotFound, NameNotUnique."""
        return self._view(await self._storages.update(principal, address, change), principal)

    async def delete(self, principal: Principal, address: str) -> None:
        """Delete a dataset. Raises NotFound."""
        await self._storages.delete(principal, address)

    async def page(self, principal: Principal, query: ListQuery) -> StoragePage[DatasetShort]:
        """A page of the caller's datasets."""
        return await self._storages.page(principal, query, view=lambda stored: self._short(stored, principal))

    async def refuse_statistics(self, principal: Principal, address: str) -> None:
        """Field statistics need a fields schema. Raises NoSchema or NoFieldsSchema, as no dataset has one yet."""
        stored = await self._database.read(lambda tx: self._storages.readable(tx, principal, address))
        raise NoSchema if stored.profile.schema is None else NoFieldsSchema

    # Items

    async def push(self, principal: Principal, address: str, body: bytes) -> str:
        """Append the items of a JSON body, all or none, synced. Returns the id. Raises NotFound, InvalidInput."""
        items = slice_items(body)
        stored = await self._database.read(lambda tx: self._storages.writable(tx, principal, address))
        if items.count:
            await self._append(principal, stored.id, items)
        self._meter.count(principal.run_id, Usage.DATASET_WRITES, items.count)
        return stored.id

    async def _append(self, principal: Principal, dataset_id: str, items: Slices) -> None:
        blob_key = None
        if len(items.payload) > INLINE_BYTES_MAX:
            blob_key = self._ids.new()
            await self._blobs.put(blob_key, items.payload)

        def work(tx: Tx) -> None:
            self._storages.writable(tx, principal, dataset_id)
            if not store.append(tx, dataset_id, items, blob_key=blob_key, now=self._clock.now()):
                raise errors.missing(DATASETS)

        try:
            await self._database.write(work)
        except ActoriumError as error:
            if blob_key is not None and error.kind in errors.ROLLED_BACK:
                await self._blobs.delete(blob_key)
            raise

    async def items(self, principal: Principal, address: str, query: ItemsQuery) -> Items:
        """Items as the query wants them. Raises NotFound, Forbidden, InvalidValue, NoColumns, NoSuchView."""
        signed = self._storages.contents_signature(query.signature)
        stored = await self._database.read(lambda tx: self._storages.readable(tx, principal, address, signed=signed))
        query = viewed(query, stored.profile.schema)
        chosen = range_of(query, int(stored.own["item_count"]))
        transform, writer = transform_of(query), writer_of(query, stored)
        columns: list[str] = []
        if writer.needs_columns:
            columns = await self._columns(stored.id, chosen, transform)
        self._storages.saw(stored.id, reads=1)
        self._meter.count(principal.run_id, Usage.DATASET_READS, chosen.count)
        return Items(
            stored, chosen, writer, self._written(stored.id, chosen, transform, writer=writer, columns=columns)
        )

    async def _written(
        self, dataset_id: str, chosen: Range, transform: Transform, *, writer: Writer, columns: list[str]
    ) -> AsyncGenerator[bytes, None]:
        copies = isinstance(writer, JsonArray | JsonLines) and transform.changes_nothing
        yield writer.begin(columns)
        async for block in self._blocks(dataset_id, chosen):
            if copies and isinstance(writer, JsonArray | JsonLines):
                yield writer.copied(block)
            else:
                yield writer.rows(_transformed(block, transform))
        yield writer.end()

    async def _columns(self, dataset_id: str, chosen: Range, transform: Transform) -> list[str]:
        """The union of the columns of a range, in the order they first appear, or in that of the fields asked for."""
        names: dict[str, None] = {}
        async for block in self._blocks(dataset_id, chosen):
            for item in _transformed(block, transform):
                names.update(dict.fromkeys(spread(item, separator="/", lists=True)))
            if len(names) > COLUMNS_MAX:
                raise InvalidInput(
                    f"The items have more than {COLUMNS_MAX} columns: choose some with fields, or use format=json."
                )
        if not names:
            raise NoColumns
        asked = {name: at for at, name in enumerate(transform.output_fields or transform.fields)}
        return sorted(names, key=lambda name: asked.get(name.partition("/")[0], len(asked))) if asked else list(names)

    def _blocks(self, dataset_id: str, chosen: Range) -> AsyncIterator[bytes]:
        return self._reader.blocks(dataset_id, start=chosen.start, end=chosen.end, desc=chosen.desc)

    # Views

    def _view(self, stored: Stored, principal: Principal) -> DatasetView:
        storages, profile = self._storages, stored.profile
        return DatasetView(
            id=stored.id,
            name=stored.name,
            user_id=stored.owner_id,
            username=principal.username if stored.owner_id == principal.user_id else UNSET,
            created_at=stored.created_at,
            modified_at=stored.modified_at,
            accessed_at=storages.accessed_at(stored),
            item_count=stored.own["item_count"],
            clean_item_count=stored.own["clean_item_count"],
            act_id=profile.act_id,
            act_run_id=stored.created_by_run,
            fields=None,
            schema=profile.schema,
            title=profile.title,
            console_url=storages.console_url(stored.id),
            items_public_url=storages.contents_url(stored, "/items", principal=principal),
            url_signing_secret_key=secret_for(stored, principal) or UNSET,
            general_access=profile.general_access,
            stats=self._stats(stored),
        )

    def _short(self, stored: Stored, principal: Principal) -> DatasetShort:
        return DatasetShort(
            id=stored.id,
            name=stored.name or stored.id,
            user_id=stored.owner_id,
            username=principal.username,
            created_at=stored.created_at,
            modified_at=stored.modified_at,
            accessed_at=self._storages.accessed_at(stored),
            item_count=stored.own["item_count"],
            clean_item_count=stored.own["clean_item_count"],
            act_id=stored.profile.act_id,
            act_run_id=stored.created_by_run,
            title=stored.profile.title,
            general_access=stored.profile.general_access,
            stats=self._stats(stored),
        )

    def _stats(self, stored: Stored) -> DatasetStats:
        return DatasetStats(
            read_count=self._storages.read_count(stored),
            write_count=stored.write_count,
            storage_bytes=stored.byte_count,
        )


def _transformed(block: bytes, transform: Transform) -> list[Item]:
    return [result for line in block.split(b"\n") for result in transform.apply(loads(line))]
