"""Copies of storages share blobs: these are counted once, moved once, and missed for each row that names them."""

from __future__ import annotations

import pytest

from actorium.blobs.memory import MemoryBlobs
from actorium.database.inline import Inline
from actorium.kernel.limits import DATASET_INLINE_BYTES_MAX, INLINE_BYTES_MAX
from actorium.testing.conformance.stores import Shelf
from actorium.testing.conformance.stores_copies import OWNER, Copier
from actorium.upkeep.copying import Copy
from actorium.upkeep.usage import usage
from upkeep_world import place

pytestmark = pytest.mark.anyio

ITEM, RECORD = b'{"a":"%b"}' % (b"x" * DATASET_INLINE_BYTES_MAX), b"x" * (INLINE_BYTES_MAX + 1)


async def test_shared_blobs_are_one() -> None:
    source, target = await place(Inline(), MemoryBlobs()), await place(Inline(), MemoryBlobs())
    shelf = Shelf(source.database, source.blobs)
    copier = Copier(shelf)
    held = await copier.made()
    await shelf.datasets.push(OWNER, held.dataset, ITEM)
    await shelf.stores.put(OWNER, held.store, "big", RECORD, content_type="text/plain")
    copies = [await copier.copied(held.ids) for _ in range(3)]

    found = await usage(source.database, source.blobs, files={}, largest=10)
    assert (found.kinds["datasets"].blobs, found.kinds["datasets"].blob_bytes) == (1, len(ITEM))
    assert (found.kinds["key-value stores"].blobs, found.kinds["key-value stores"].blob_bytes) == (1, len(RECORD))
    assert found.users[OWNER.user_id].blobs == 2
    assert found.users[OWNER.user_id].blob_bytes == len(ITEM) + len(RECORD)
    assert sum(one.total > len(RECORD) for one in found.largest) == 2, "each blob counts with one storage"
    assert found.lost == 0

    proof = await Copy(source, target, tell=lambda _: None).run()
    assert proof.is_whole
    assert proof.lost == 0
    moved = Copier(Shelf(target.database, target.blobs))
    for ids in (held.ids, *copies):
        assert await moved.items(ids.datasets["default"]) == [ITEM]
        assert await moved.records(ids.key_value_stores["default"]) == {"big": RECORD}

    await source.blobs.delete(next(iter(await shelf.blob_keys())))
    assert (await usage(source.database, source.blobs, files={}, largest=1)).lost == 4, "each row has lost it"
    for each in (shelf, moved.shelf):
        await each.schemas.close()
    for where in (source, target):
        await where.database.close()
