"""The loop that lets chunks of datasets grow together into segments.

A step claims one dataset, writes what its chunks become, and puts that in their place in one transaction, which checks
that the claim still holds and that the chunks are as they were. Whatever happens in between, the rows name blobs that
are there: a new blob is written before the row that names it, an old one is deleted after. Memory is bounded by a block
and a segment's digest; between small groups of items other tasks have their turn.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from itertools import groupby

import structlog

from actorium.blobs import Blobs
from actorium.database import Database
from actorium.datasets.chunks import DatasetCutShort, Reader
from actorium.datasets.places import Places
from actorium.datasets.segments import store
from actorium.datasets.segments.digest import Digest, turns
from actorium.datasets.segments.plan import Plan, plan
from actorium.datasets.segments.statistics import fields_of
from actorium.datasets.store import Chunk, Level, Merged, Part
from actorium.kernel.clock import Clock
from actorium.kernel.errors import BackendUnavailable, StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.limits import DATASET_ROW_BYTES, MERGE_LEASE_SECS, MERGES_LISTED, MERGES_PER_VISIT

log = structlog.get_logger()


class Merger:
    """One tick: everything that is due, a bounded number of steps on one dataset after the other."""

    def __init__(self, database: Database, blobs: Blobs, *, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._ids = ids
        self._clock = clock
        self._reader = Reader(database, blobs)
        self._claims: dict[str, str] = {}

    async def tick(self) -> None:
        """Merge until nothing is due that nobody else is at. Raises BackendUnavailable at the end, losing nothing."""
        busy, trouble = True, None
        while busy and trouble is None:
            busy, after = False, ""
            while found := await self._database.read(partial(store.due, after=after, limit=MERGES_LISTED)):
                after = found[-1]
                for dataset_id in found:
                    try:
                        busy = await self._visit(dataset_id) or busy
                    except BackendUnavailable as error:
                        trouble = error  # one blob that cannot be read does not hold up the others
        if trouble is not None:
            raise trouble

    async def _visit(self, dataset_id: str) -> bool:
        """Some steps on one dataset; whether it needs more."""
        for _ in range(MERGES_PER_VISIT):
            try:
                if not await self._step(dataset_id):
                    return False
            except (StaleWrite, DatasetCutShort):
                return False  # deleted, or taken over by another server
        return True

    async def _step(self, dataset_id: str) -> bool:
        """Claim, merge, replace; whether there is more to do at once."""
        key = self._ids.new()
        now = self._clock.now()
        tail = await self._database.write(
            partial(
                store.claim,
                dataset_id=dataset_id,
                key=key,
                own=self._claims.pop(dataset_id, ""),
                now=now,
                lease_began=now.plus(secs=-MERGE_LEASE_SECS),
            )
        )
        if tail is None:
            return False
        self._claims[dataset_id] = key  # until it is given back: a step that failed is begun again at once
        step = plan(tail.chunks)
        if step is None:
            await self._database.write(partial(store.release, dataset_id=dataset_id, key=key))
            more = False
        else:
            digest = Digest(fields_of(tail.profile.schema))
            more = await self._replace(dataset_id, key, step, digest)
        del self._claims[dataset_id]
        return more

    async def _replace(self, dataset_id: str, key: str, step: Plan, digest: Digest) -> bool:
        part = await self._write(dataset_id, key, step, digest)
        merged = Merged(
            part=part,
            level=step.level,
            column_names=digest.columns.text(),
            field_statistics=None if digest.statistics is None else digest.statistics.text(),
        )
        replace = partial(
            store.replace, dataset_id=dataset_id, key=key, chunks=step.chunks, merged=merged, now=self._clock.now()
        )
        try:
            more = await self._database.write(replace)
        except StaleWrite:
            if part.blob_key == key:
                await self._blobs.delete(key)
            raise
        log.debug("datasets.merged", dataset=dataset_id, chunks=len(step.chunks), bytes=step.size, level=step.level)
        return more

    async def _write(self, dataset_id: str, key: str, step: Plan, digest: Digest) -> Part:
        """Write what the chunks become, if it is not there already; fills the digest on the way."""
        places = Places(count=step.count, size=step.size)
        payload: bytes | None = None
        blob_key: str | None = None
        packed: bytes | None = None
        async with aclosing(self._pieces(dataset_id, step, digest, places)) as pieces:
            if step.size <= DATASET_ROW_BYTES and not step.keeps_blob:
                payload = b"".join([piece async for piece in pieces])
            elif not step.keeps_blob:
                await self._blobs.put(key, pieces)
                blob_key, packed = key, places.packed()
            elif step.chunks[0].level == Level.PUSHED:
                async for _ in pieces:
                    pass
                blob_key, packed = step.chunks[0].blob_key, places.packed()
            else:
                digest.join(*await self._digest(dataset_id, step.chunks[0]))
                blob_key = step.chunks[0].blob_key
        return Part(count=step.count, size=step.size, payload=payload, blob_key=blob_key, places=packed)

    async def _pieces(self, dataset_id: str, step: Plan, digest: Digest, places: Places) -> AsyncGenerator[bytes, None]:
        """The bytes of the chunks. Items are looked into where there is no digest of them yet."""
        joint = b""
        for pushed, run in groupby(step.chunks, key=lambda chunk: chunk.level == Level.PUSHED):
            chunks = list(run)
            if not pushed:
                for chunk in chunks:
                    digest.join(*await self._digest(dataset_id, chunk))
            start, end = chunks[0].first, chunks[-1].end
            async with aclosing(self._reader.blocks(dataset_id, start=start, end=end, desc=False)) as blocks:
                async for block in blocks:
                    items = block.split(b"\n")
                    places.add(items)
                    if pushed:
                        await self._look_into(items, digest)
                    yield joint + block
                    joint = b"\n"

    async def _look_into(self, items: list[bytes], digest: Digest) -> None:
        for group in turns(items):
            digest.add(group)
            await self._clock.sleep(0)  # requests have their turn

    async def _digest(self, dataset_id: str, chunk: Chunk) -> tuple[str | None, str | None]:
        return await self._database.read(partial(store.digest, dataset_id=dataset_id, first=chunk.first))
