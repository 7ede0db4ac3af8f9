"""Adding items to a dataset: all of a push or none, on disk before it is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actorium.blobs import Blobs
from actorium.database import Database, Tx
from actorium.datasets import store
from actorium.datasets.places import Places
from actorium.datasets.slices import Slices, slice_items
from actorium.datasets.store import Part
from actorium.datasets.validation import check_items
from actorium.kernel.clock import Clock
from actorium.kernel.errors import ActoriumError
from actorium.kernel.ids import Ids
from actorium.kernel.limits import DATASET_INLINE_BYTES_MAX, DATASET_ROW_BYTES, SCHEMALESS_KNOWN_MAX
from actorium.kernel.meter import Meter, Usage
from actorium.kernel.principal import Principal
from actorium.storages import errors
from actorium.storages.kinds import DATASETS
from actorium.storages.model import Stored
from actorium.storages.schema_checks import SchemaChecks
from actorium.storages.service import Storages

ChargeItems = Callable[[Tx, str, int], None]
"""Charges a run for items, in the transaction that stores them."""


class Pushing:
    """Pushes to datasets by id, ``~name`` or ``username~name``."""

    def __init__(
        self, storages: Storages, *, database: Database, blobs: Blobs, ids: Ids, clock: Clock, meter: Meter,
        schemas: SchemaChecks, charge_in: ChargeItems | None,
    ) -> None:  # fmt: skip
        self._storages = storages
        self._database = database
        self._blobs = blobs
        self._ids = ids
        self._clock = clock
        self._meter = meter
        self._schemas = schemas
        self._charge_in = charge_in
        self._schemaless: set[str] = set()

    async def push(self, principal: Principal, address: str, body: bytes) -> str:
        """Append the items of a JSON body, all or none, synced. Returns the id.

        Raises NotFound, Forbidden, InvalidInput, InvalidJson, ItemsInvalid, DatasetSchemaInvalid.
        """
        items = slice_items(body)
        size = _size(items.items)
        dataset_id = address
        known = address in self._schemaless and self._storages.reaches(principal, address)
        if not known or not items.count:
            stored = await self._database.read(lambda tx: self._storages.writable(tx, principal, address))
            dataset_id = stored.id
            self._remember(stored)
            if stored.profile.schema is not None:
                await check_items(self._schemas, stored.profile.schema, items.items, user_id=principal.user_id)
        if items.count and size <= DATASET_INLINE_BYTES_MAX:
            await self._append(principal, dataset_id, items, rows_of(items.items, size))
        elif items.count:
            await self._append_large(principal, dataset_id, items, size)
        self._meter.count(principal.run_id, Usage.DATASET_WRITES, items.count)
        return dataset_id

    def _remember(self, stored: Stored) -> None:
        """The next push to what has no schema needs no look at it: the write itself checks whose it is."""
        if stored.profile.schema is None:
            if len(self._schemaless) >= SCHEMALESS_KNOWN_MAX:
                self._schemaless.clear()
            self._schemaless.add(stored.id)

    async def _append(self, principal: Principal, dataset_id: str, items: Slices, parts: Sequence[Part]) -> None:
        owner_id, clean_count = principal.user_id, items.clean_count

        def work(tx: Tx) -> None:
            now = self._clock.now()
            appended = store.append(tx, dataset_id, parts, owner_id=owner_id, clean_count=clean_count, now=now)
            if appended is None:
                self._storages.writable(tx, principal, dataset_id)  # says what is wrong
                raise errors.missing(DATASETS)
            if self._charge_in is not None and appended.charged_run_id is not None:
                self._charge_in(tx, appended.charged_run_id, items.count)

        await self._database.write(work, lane=dataset_id)

    async def _append_large(self, principal: Principal, dataset_id: str, items: Slices, size: int) -> None:
        key = self._ids.new()
        places = Places(count=items.count, size=size)
        places.add(items.items)
        await self._blobs.put(key, b"\n".join(items.items))
        part = Part(count=items.count, size=size, blob_key=key, places=places.packed())
        try:
            await self._append(principal, dataset_id, items, [part])
        except ActoriumError as error:
            if error.kind in errors.ROLLED_BACK:
                await self._blobs.delete(key)
            raise


def rows_of(items: Sequence[bytes], size: int) -> list[Part]:
    """Items as rows, none larger than a page wants to read but those of one large item."""
    if size <= DATASET_ROW_BYTES:
        return [_row(items)]
    rows: list[Part] = []
    first = held = 0
    for at, item in enumerate(items):
        if held + len(item) > DATASET_ROW_BYTES and at > first:
            rows.append(_row(items[first:at]))
            first, held = at, 0
        held += len(item) + 1
    rows.append(_row(items[first:]))
    return rows


def _row(items: Sequence[bytes]) -> Part:
    payload = b"\n".join(items)
    return Part(count=len(items), size=len(payload), payload=payload)


def _size(items: Sequence[bytes]) -> int:
    """In bytes, with the newlines between them."""
    return sum(map(len, items)) + len(items) - 1
