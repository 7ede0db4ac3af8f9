"""What retention deletes leaves the disk: rows, logs and blobs, in a database file and a folder of blobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actorium.blobs.files import FileBlobs
from actorium.database.migrate import migrate
from actorium.database.sqlite import SQLite
from actorium.kernel.limits import DAY_SECS, LOG_CHUNK_BYTES
from actorium.kernel.store_limits import SQLITE_FREE_PAGES_KEPT
from actorium.storages.garbage import GarbageCollector
from actorium.testing.conformance.stores import ALICE, BOB, Shelf
from retention_world import DAYS, Keeper

pytestmark = pytest.mark.anyio

MEGABYTE = 1_000_000
KEPT_FREE = SQLITE_FREE_PAGES_KEPT * 4096


async def pieces(size: int) -> AsyncIterator[bytes]:
    yield bytes(size)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def test_the_folder_is_small_again(tmp_path: Path) -> None:
    database = await SQLite.open(tmp_path / "actorium.db")
    await migrate(database, 1)  # type: ignore[arg-type]
    shelf = Shelf(database, await FileBlobs.open(tmp_path / "blobs"))
    keeper = Keeper(shelf)
    run = await keeper.run()
    unnamed, _ = await shelf.stores.get_or_create(BOB, None)
    precious, _ = await shelf.stores.get_or_create(BOB, "precious")
    of_run = run.document.storage_ids.key_value_stores["default"]
    for principal, store_id in ((ALICE, of_run), (BOB, unnamed.id)):
        for number in range(140):
            await shelf.stores.put(principal, store_id, f"row-{number}", pieces(50_000), content_type="text/plain")
        await shelf.stores.put(principal, store_id, "blob", pieces(3 * MEGABYTE), content_type="text/plain")
    await shelf.stores.put(BOB, precious.id, "blob", pieces(MEGABYTE), content_type="text/plain")
    line = b"x" * (LOG_CHUNK_BYTES // 2)
    for _ in range(6 * MEGABYTE // len(line)):
        await database.write(lambda tx: keeper.logs.append_in(tx, run.id, [(shelf.clock.now(), line)]))
    filled = size_of(tmp_path)
    assert filled > 26 * MEGABYTE

    await shelf.clock.advance(DAYS * DAY_SECS)
    await keeper.runs().tick()
    await keeper.storages().tick()
    await shelf.sweeper.tick()
    await GarbageCollector(database, shelf.blobs).tick()
    log = tmp_path / "actorium.db-wal"
    while log.stat().st_size:
        await database.write(lambda tx: None)  # after each commit, the writer gives a bit back while nobody waits

    assert size_of(tmp_path) < KEPT_FREE + 3 * MEGABYTE
    assert size_of(tmp_path / "blobs") == MEGABYTE
    assert await keeper.everything() == {
        "runs": set(),
        "logs": set(),
        "log_chunks": set(),
        "datasets": set(),
        "key_value_stores": {precious.id},
        "request_queues": set(),
    }
    await database.close()
    await shelf.blobs.close()
