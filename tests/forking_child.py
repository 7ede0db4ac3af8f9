"""A process that copies storages, deletes copies and collects garbage until it is killed. A line for each copy."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from actorium.blobs.files import FileBlobs
from actorium.database.sqlite import SQLite
from actorium.kernel.ids import RandomIds
from actorium.runs.model import StorageIds
from actorium.testing.conformance.stores import Shelf
from actorium.testing.conformance.stores_copies import OWNER, Copier
from actorium.testing.conformance.stores_request_queues import request


async def copier_of(folder: Path) -> Copier:
    shelf = Shelf(await SQLite.open(folder / "actorium.db"), await FileBlobs.open(folder / "blobs"))
    shelf.ids = RandomIds()  # type: ignore[assignment]
    return Copier(shelf)


async def close(copier: Copier) -> None:
    await copier.shelf.schemas.close()
    await copier.shelf.database.close()
    await copier.shelf.blobs.close()


async def live(folder: Path, source: StorageIds) -> None:
    copier = await copier_of(folder)
    copies: list[StorageIds] = []
    number = 0
    while True:
        copies.append(await copier.copied(source))
        print("copied", flush=True)
        number += 1
        await copier.requests.add(
            OWNER, source.request_queues["default"], request(number), forefront=False, client_key=None
        )
        if len(copies) > 3:
            await copier.deleted(copies.pop(0))
            await copier.shelf.stores.delete_record(OWNER, copies[0].key_value_stores["default"], "big")
            await copier.clean()


if __name__ == "__main__":
    where, *ids = sys.argv[1:]
    of = [{"default": one} for one in ids]
    asyncio.run(live(Path(where), StorageIds(datasets=of[0], key_value_stores=of[1], request_queues=of[2])))
