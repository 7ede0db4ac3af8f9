"""Moving an installation between databases in memory: all of it, never half, and a proof that cannot be fooled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from actorium.blobs import Blobs
from actorium.blobs.memory import MemoryBlobs
from actorium.database import Tx, installation
from actorium.database.inline import Inline
from actorium.database.migrate import Migration, migrate, packaged
from actorium.kernel.errors import BackendUnavailable, Unavailable
from actorium.kernel.store_limits import COPY_BATCH_BYTES, COPY_BATCH_ROWS
from actorium.testing.conformance.blobs import listed
from actorium.upkeep import store
from actorium.upkeep.copying import Copy, Place, Proof
from upkeep_world import NOW, Spoiling, add, contents, fill, is_marked, place, tables_of

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def two_places(blobs: Blobs | None = None) -> AsyncIterator[tuple[Place, Place]]:
    """A full one and an empty one."""
    source = await place(Inline(), MemoryBlobs())
    target = await place(Inline(), blobs or MemoryBlobs())
    await fill(source)
    yield source, target
    for one in (source, target):
        await one.database.close()


def copying(source: Place, target: Place) -> Copy:
    return Copy(source, target, tell=lambda _: None)


def differing(proof: Proof) -> set[str]:
    return {line.name for line in proof.lines if not line.is_same}


async def test_everything_arrives_and_is_proven() -> None:
    async with two_places() as (source, target):
        proof = await copying(source, target).run()
        assert proof.is_whole
        assert proof.lost == 0
        assert await contents(target) == await contents(source)
        counted = {line.name: line.target.count for line in proof.lines}
        expected = {name: 3 for name in await tables_of(source.database) if name != "schema_migrations"}
        assert counted == expected | {"blobs": len((await contents(source))["blobs"])}
        assert not await is_marked(target)
        assert (await copying(source, target).compare()).is_whole


async def test_a_table_that_a_migration_adds_is_copied() -> None:
    new = Migration.parse(
        "9999_new.sql", "CREATE TABLE brand_new (a BIGINT NOT NULL, b TEXT NOT NULL, PRIMARY KEY (b, a));"
    )
    source, target = Place(database=Inline(), blobs=MemoryBlobs()), Place(database=Inline(), blobs=MemoryBlobs())
    for one in (source, target):
        await migrate(one.database, NOW, migrations=[*packaged(), new])
    await fill(source)
    proof = await copying(source, target).run()
    assert proof.is_whole
    assert {line.name: line.target.count for line in proof.lines}["brand_new"] == 3
    for one in (source, target):
        await one.database.close()


async def test_many_and_large_rows_come_in_bounded_batches() -> None:
    async with two_places() as (source, target):
        chunks = (await tables_of(source.database))["dataset_chunks"]
        size = COPY_BATCH_BYTES // 3
        for first in range(10):
            row = {"dataset_id": "big", "first_index": first, "item_count": 1, "byte_count": size}
            row |= {"payload": bytes([first]) * size}
            await source.database.write(partial(add, table=chunks, row=row))
        events = (await tables_of(source.database))["events"]

        def many(tx: Tx) -> None:
            for number in range(COPY_BATCH_ROWS + 5):
                row = {"id": f"e{number}", "type": "t", "subject_id": "s", "owner_id": "o"}
                add(tx, events, row | {"created_at": number, "document": "{}"})

        await source.database.write(many)
        first = partial(store.batch, table=chunks, catalog=source.database.catalog, after=None)
        assert sum(len(row["payload"] or b"") for row in await source.database.read(first)) <= COPY_BATCH_BYTES
        assert (await copying(source, target).run()).is_whole
        assert await contents(target) == await contents(source)


@pytest.mark.parametrize("table", ["users", "dataset_chunks", "installation"])
async def test_a_row_that_arrives_otherwise_is_found(table: str) -> None:
    """The target's own engine changes what is written to it."""
    async with two_places() as (source, target):
        column = {"users": "document", "dataset_chunks": "payload", "installation": "value"}[table]
        await target.database.write(
            lambda tx: tx.run(
                f"CREATE TRIGGER spoil AFTER INSERT ON {table} WHEN NEW.{column} IS NOT NULL BEGIN"
                f" UPDATE {table} SET {column} = NEW.{column} || ' ' WHERE rowid = NEW.rowid; END"
            )
        )
        proof = await copying(source, target).run()
        assert differing(proof) == {table}
        assert await is_marked(target)


async def test_a_row_that_does_not_arrive_is_found() -> None:
    async with two_places() as (source, target):
        await target.database.write(
            lambda tx: tx.run(
                "CREATE TRIGGER spoil AFTER INSERT ON logs WHEN NEW.subject_id LIKE '%1%' BEGIN"
                " DELETE FROM logs WHERE rowid = NEW.rowid; END"
            )
        )
        proof = await copying(source, target).run()
        assert differing(proof) == {"logs"}


async def test_a_blob_that_arrives_otherwise_is_found_and_mended_by_the_next_attempt() -> None:
    async with two_places() as (source, target):
        key = (await listed(source.blobs))[1]
        spoiling = Spoiling(target.blobs, key)
        target = Place(database=target.database, blobs=spoiling)
        assert differing(await copying(source, target).run()) == {"blobs"}
        assert await is_marked(target)
        spoiling.is_honest = True
        assert (await copying(source, target).run()).is_whole
        assert await contents(target) == await contents(source)


async def test_what_differs_later_is_found_by_comparing() -> None:
    async with two_places() as (source, target):
        assert (await copying(source, target).run()).is_whole
        await target.database.write(lambda tx: tx.run("UPDATE runs SET revision = revision + 1 WHERE id LIKE '%2%'"))
        await target.blobs.put("extra", b"x")
        assert differing(await copying(source, target).compare()) == {"runs", "blobs"}
        await target.blobs.delete("extra")
        lost = (await listed(target.blobs))[-1]
        await target.blobs.delete(lost)
        assert differing(await copying(source, target).compare()) == {"runs", "blobs"}


async def test_a_target_with_rows_is_refused_and_left_alone() -> None:
    async with two_places() as (source, target):
        await target.database.write(lambda tx: tx.run("INSERT INTO installation (name, value) VALUES ('id', 'other')"))
        before = await contents(target)
        with pytest.raises(Unavailable, match="not empty: its table installation"):
            await copying(source, target).run()
        assert await contents(target) == before


async def test_a_target_with_other_blobs_is_refused_and_left_alone() -> None:
    async with two_places() as (source, target):
        await target.blobs.put("theirs", b"x")
        before = await contents(target)
        with pytest.raises(Unavailable, match="such as theirs"):
            await copying(source, target).run()
        assert await contents(target) == before


async def test_a_copy_that_broke_off_is_started_again() -> None:
    """Whatever has changed in the source since, and wherever it broke off."""

    class Breaking(MemoryBlobs):
        left = 2

        async def put(self, key: str, content: bytes | AsyncIterator[bytes], /) -> int:
            self.left -= 1
            if self.left < 0:
                raise BackendUnavailable("gone")
            return await super().put(key, content)

    blobs = Breaking()
    async with two_places(blobs) as (source, target):
        with pytest.raises(BackendUnavailable, match="gone"):
            await copying(source, target).run()
        assert await is_marked(target)
        blobs.left = 1000
        vanished = (await listed(target.blobs))[0]
        await source.blobs.delete(vanished)
        await source.database.write(lambda tx: tx.run("DELETE FROM runs WHERE id LIKE '%1%'"))
        await source.database.write(lambda tx: tx.run("UPDATE users SET revision = 77"))
        runs = (await tables_of(target.database))["runs"]
        await target.database.write(
            partial(add, table=runs, row={c.name: "9" if c.is_text else 9 for c in runs.columns})
        )
        proof = await copying(source, target).run()
        assert proof.is_whole
        assert await contents(target) == await contents(source)
        assert not await is_marked(target)


async def test_an_unfinished_copy_is_no_source() -> None:
    async with two_places() as (source, target):
        await source.database.write(installation.begin_copy)
        with pytest.raises(Unavailable, match="unfinished"):
            await copying(source, target).run()


async def test_another_schema_is_refused() -> None:
    source = await place(Inline(), MemoryBlobs())
    target = Place(database=Inline(), blobs=MemoryBlobs())
    with pytest.raises(Unavailable, match="schemas"):
        await copying(source, target).run()
    for one in (source, target):
        await one.database.close()


async def test_only_rows_or_only_blobs_move() -> None:
    async with two_places() as (source, target):
        shared = Place(database=target.database, blobs=source.blobs)
        proof = await Copy(source, shared, moves_blobs=False, tell=lambda _: None).run()
        assert proof.is_whole
        assert "blobs" not in {line.name for line in proof.lines}
        beside = Place(database=source.database, blobs=target.blobs)
        proof = await Copy(source, beside, moves_rows=False, tell=lambda _: None).run()
        assert proof.is_whole
        assert [line.name for line in proof.lines] == ["blobs"]
        assert await contents(target) == await contents(source)


async def test_blobs_that_were_lost_before_are_told() -> None:
    async with two_places() as (source, target):
        named = await source.database.read(
            lambda tx: tx.one("SELECT blob_key FROM dataset_chunks WHERE blob_key IS NOT NULL")
        )
        assert named is not None
        await source.blobs.delete(named["blob_key"])
        proof = await copying(source, target).run()
        assert proof.is_whole
        assert proof.lost == 1
