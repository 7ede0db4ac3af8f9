"""Datasets as callers meet them: made, found, filled, read."""

from __future__ import annotations

from typing import Any

from actorium.blobs import Blobs
from actorium.database import Tx
from actorium.datasets import store
from actorium.datasets.chunks import Reader
from actorium.datasets.errors import NoFieldsSchema, NoSchema
from actorium.datasets.model import (
    DatasetFieldStatistics,
    DatasetShort,
    DatasetStatistics,
    DatasetStats,
    DatasetView,
    ItemsQuery,
)
from actorium.datasets.pushing import ChargeItems, Pushing
from actorium.datasets.reading import Items, Reading
from actorium.datasets.segments.counting import statistics_of
from actorium.datasets.segments.statistics import fields_of
from actorium.datasets.validation import check_schema
from actorium.http.paging import StoragePage
from actorium.kernel.instant import Instant
from actorium.kernel.meter import Meter
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.storages.extent import NOTHING, Extent
from actorium.storages.kinds import DATASETS
from actorium.storages.model import ListQuery, Stored, UpdateStorage
from actorium.storages.rights import Right
from actorium.storages.service import Storages, Surroundings, secret_for


class Datasets:
    """Datasets by id, ``~name`` or ``username~name``. Methods that take a ``tx`` compose into a caller's work."""

    clear = staticmethod(store.clear)

    def __init__(
        self, surroundings: Surroundings, *, blobs: Blobs, meter: Meter, charge_in: ChargeItems | None = None
    ) -> None:
        self._storages = Storages(DATASETS, surroundings)
        self._database = surroundings.database
        self._clock = surroundings.clock
        self._schemas = surroundings.schemas
        self._reader = Reader(surroundings.database, blobs)
        self._pushing = Pushing(
            self._storages,
            database=surroundings.database,
            blobs=blobs,
            ids=surroundings.ids,
            clock=surroundings.clock,
            meter=meter,
            schemas=surroundings.schemas,
            charge_in=charge_in,
        )
        self._reading = Reading(
            self._storages, database=surroundings.database, reader=self._reader, clock=surroundings.clock, meter=meter
        )

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
        schema: dict[str, Any] | None = None,
        charged_run_id: str | None = None,
    ) -> None:
        """Add an empty dataset. ``charged_run_id``: the run that is charged for each item."""
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
        if charged_run_id is not None:
            store.charge_to(tx, id, charged_run_id)

    def right_in(self, tx: Tx, principal: Principal, address: str) -> Right | None:
        """What the caller may do with it, and so hand over to a run; None: nothing."""
        return self._storages.right_in(tx, principal, address)

    def delete_in(self, tx: Tx, id: str) -> bool:
        """Delete by id without asking who wants it; False if it is not there."""
        return self._storages.delete_in(tx, id)

    def held_in(self, tx: Tx, id: str, *, limit: int) -> Extent:
        """How much a copy of a dataset takes, counted up to ``limit`` rows; it does not change in this transaction.

        Nothing for one that is gone.
        """
        stored = self._storages.held_in(tx, id)
        return NOTHING if stored is None else store.extent(tx, id, limit=limit)

    def copy_in(self, tx: Tx, source_id: str, id: str) -> None:
        """Make a new dataset a copy of one that this transaction holds. Blobs are shared."""
        source = self._storages.by_id(tx, source_id)
        if source is not None:
            self._storages.take_over_in(tx, source, id, own=store.COUNTED)
            store.copy(tx, source_id, id)

    # The object

    async def get_or_create(
        self, principal: Principal, name: str | None, *, schema: dict[str, Any] | None = None
    ) -> tuple[DatasetView, bool]:
        """The caller's dataset of this name, and whether it is new. Raises DatasetSchemaInvalid."""
        await check_schema(self._schemas, schema)
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

    async def statistics(self, principal: Principal, address: str) -> DatasetStatistics:
        """Statistics of the fields that the dataset's schema names. Raises NotFound, NoSchema, NoFieldsSchema."""
        stored = await self._database.read(lambda tx: self._storages.readable(tx, principal, address))
        if stored.profile.schema is None:
            raise NoSchema
        fields = fields_of(stored.profile.schema)
        if fields is None:
            raise NoFieldsSchema
        self._storages.saw(stored.id)
        found = await statistics_of(
            self._reader, stored.id, count=stored.own["item_count"], fields=fields, clock=self._clock
        )
        return DatasetStatistics(
            field_statistics={
                name: DatasetFieldStatistics(min=one.min, max=one.max, null_count=one.nulls, empty_count=one.absent)
                for name, one in found.fields.items()
            }
        )

    # Items

    async def push(self, principal: Principal, address: str, body: bytes) -> str:
        """Append the items of a JSON body, all or none, synced. Returns the id. Raises NotFound, InvalidInput."""
        return await self._pushing.push(principal, address, body)

    async def items(self, principal: Principal, address: str, query: ItemsQuery, *, head: bool = False) -> Items:
        """Items as the query wants them; see ``Reading.items``."""
        return await self._reading.items(principal, address, query, head=head)

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
            act_id=stored.act_id,
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
            act_id=stored.act_id,
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
            s3_storage_bytes=stored.byte_count,
        )
