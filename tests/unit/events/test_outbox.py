"""The outbox forgets, the garbage is collected, and bells ring for the right key."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from actorium.blobs.memory import MemoryBlobs
from actorium.database.migrate import migrate
from actorium.database.sqlite import SQLite
from actorium.events.outbox import OutboxPruner, emit
from actorium.events.waiters import Waiters
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant
from actorium.kernel.limits import EVENTS_KEPT_SECS, EVENTS_PER_PRUNE, GARBAGE_PER_TICK
from actorium.storages.garbage import GarbageCollector
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio
T0 = Instant(1_700_000_000_000)


@pytest.fixture
async def database() -> AsyncIterator[SQLite]:
    made = await SQLite.open(":memory:")
    await migrate(made, now=T0)
    yield made
    await made.close()


async def test_old_events_are_forgotten_and_young_ones_kept(database: SQLite) -> None:
    def fill(tx) -> None:
        for number in range(EVENTS_PER_PRUNE + 5):
            emit(tx, id=f"old-{number}", type="X", subject_id="s", owner_id="o", now=T0)
        emit(tx, id="young", type="X", subject_id="s", owner_id="o", now=T0.plus(secs=2))

    await database.write(fill)
    await OutboxPruner(database, ManualClock(T0.plus(secs=EVENTS_KEPT_SECS + 1))).tick()
    rows = await database.read(lambda tx: tx.all("SELECT id FROM events"))
    assert [row["id"] for row in rows] == ["young"]


async def test_garbage_is_collected_whole(database: SQLite) -> None:
    blobs = MemoryBlobs()
    keys = [f"blob{number:04}" for number in range(GARBAGE_PER_TICK + 3)]
    for key in [*keys[1:], "kept00"]:  # the first is gone already
        await blobs.put(key, b"x")
    await database.write(
        lambda tx: tx.many(
            "INSERT INTO blob_garbage (key, created_at) VALUES (:key, 1)", [{"key": key} for key in keys]
        )
    )
    await GarbageCollector(database, blobs).tick()
    assert [key async for key in blobs.keys("")] == ["kept00"]
    assert await database.read(lambda tx: tx.all("SELECT key FROM blob_garbage")) == []


async def test_garbage_that_cannot_be_deleted_now_waits(database: SQLite) -> None:
    class Broken(MemoryBlobs):
        async def delete(self, key: str, /) -> None:
            raise BackendUnavailable

    await database.write(lambda tx: tx.run("INSERT INTO blob_garbage (key, created_at) VALUES ('blob01', 1)"))
    with pytest.raises(BackendUnavailable):
        await GarbageCollector(database, Broken()).tick()
    assert len(await database.read(lambda tx: tx.all("SELECT key FROM blob_garbage"))) == 1


async def test_a_bell_rings_for_its_own_keys_and_for_everything(database: SQLite) -> None:
    waiters = Waiters(database)
    with waiters.watch(("runs", "a"), ("logs", "a")) as bell:
        waiters.strike("runs", frozenset({"b"}))
        assert not await bell.ring(0)
        waiters.strike("logs", frozenset({"a"}))
        assert await bell.ring(0.1)
        assert not await bell.ring(0)
        waiters.strike("runs", frozenset())
        assert await bell.ring(0.1)
