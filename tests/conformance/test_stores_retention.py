"""Retention on every pairing: it deletes what is due, at its moment, and nothing that anybody still needs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from actorium.datasets.model import ItemsQuery
from actorium.kernel.errors import NotFound
from actorium.kernel.limits import (
    DATASET_INLINE_BYTES_MAX,
    DAY_SECS,
    RETIRED_RUNS_PER_TICK,
    RETIRED_STORAGES_PER_WRITE,
    RETIRED_WRITES_PER_TICK,
)
from actorium.runs import store
from actorium.runs.lifecycle import Life, RunStatus
from actorium.storages.kinds import KINDS
from actorium.storages.model import UpdateStorage
from actorium.testing.conformance.stores import ALICE, BOB, Shelf, StoresConformance
from retention_world import DAYS, KEPT, MILLI, Interrupted, Keeper, all_of, dataset_of


class TestRetention(StoresConformance):
    """Unnamed storages and old runs, on every pairing."""

    @pytest.fixture
    def keeper(self, shelf: Shelf) -> Keeper:
        return Keeper(shelf)

    # Storages

    async def test_unnamed_storages_go_to_the_millisecond(self, shelf: Shelf, keeper: Keeper) -> None:
        for make in (shelf.datasets, shelf.stores, shelf.queues):
            await make.get_or_create(BOB, None)
            await make.get_or_create(BOB, "named")
        await shelf.clock.advance(DAYS * DAY_SECS - MILLI)
        await keeper.storages().tick()
        assert [len(await keeper.left(kind.table)) for kind in KINDS] == [2, 2, 2]
        await shelf.clock.advance(MILLI)
        await keeper.storages().tick()
        assert [len(await keeper.left(kind.table)) for kind in KINDS] == [1, 1, 1]
        await shelf.clock.advance(100 * DAYS * DAY_SECS)
        await keeper.storages().tick()
        assert [len(await keeper.left(kind.table)) for kind in KINDS] == [1, 1, 1]
        assert {row["kind"] for row in await shelf.rows("SELECT kind FROM storage_remains")} == {
            kind.table for kind in KINDS
        }

    async def test_zero_days_are_for_ever(self, shelf: Shelf, keeper: Keeper) -> None:
        made, _ = await shelf.datasets.get_or_create(BOB, None)
        run = await keeper.run()
        await shelf.clock.advance(10_000 * DAY_SECS)
        await keeper.storages(days=0).tick()
        await keeper.runs(days=0).tick()
        assert await keeper.left("datasets") == {made.id, dataset_of(run)}

    @pytest.mark.parametrize("use", ["read", "write", "title"])
    async def test_every_use_starts_the_time_anew(self, shelf: Shelf, keeper: Keeper, use: str) -> None:
        made, _ = await shelf.datasets.get_or_create(BOB, None)
        retention = keeper.storages()
        for _ in range(3):
            await shelf.clock.advance(DAYS * DAY_SECS - MILLI)
            match use:
                case "read":
                    await shelf.datasets.items(BOB, made.id, ItemsQuery())
                case "write":
                    await shelf.datasets.push(BOB, made.id, b"{}")
                case _:
                    await shelf.datasets.update(BOB, made.id, UpdateStorage(title="kept"))
            await shelf.clock.advance(MILLI)
            await retention.tick()
            assert await keeper.left("datasets") == {made.id}
        await shelf.clock.advance(DAYS * DAY_SECS - MILLI)
        await retention.tick()
        assert await keeper.left("datasets") == set()

    async def test_a_name_exempts_and_its_end_starts_the_time_anew(self, shelf: Shelf, keeper: Keeper) -> None:
        made, _ = await shelf.datasets.get_or_create(BOB, None)
        await shelf.clock.advance(DAYS * DAY_SECS)
        await shelf.datasets.update(BOB, made.id, UpdateStorage(name="precious"))
        await keeper.storages().tick()
        await shelf.clock.advance(DAYS * DAY_SECS)
        await keeper.storages().tick()
        await shelf.datasets.update(BOB, made.id, UpdateStorage(name=None))
        await shelf.clock.advance(DAYS * DAY_SECS - MILLI)
        await keeper.storages().tick()
        assert await keeper.left("datasets") == {made.id}
        await shelf.clock.advance(MILLI)
        await keeper.storages().tick()
        assert await keeper.left("datasets") == set()

    async def test_a_shorter_rule_holds_at_once(self, shelf: Shelf, keeper: Keeper) -> None:
        made, _ = await shelf.datasets.get_or_create(BOB, None)
        await shelf.clock.advance(5 * DAY_SECS)
        await keeper.storages(days=30).tick()
        await keeper.storages(days=6).tick()
        assert await keeper.left("datasets") == {made.id}
        await keeper.storages(days=5).tick()
        assert await keeper.left("datasets") == set()

    async def test_a_tick_is_bounded(self, shelf: Shelf, keeper: Keeper) -> None:
        per_tick = RETIRED_STORAGES_PER_WRITE * RETIRED_WRITES_PER_TICK
        await asyncio.gather(*(shelf.queues.get_or_create(BOB, None) for _ in range(per_tick + 3)))
        await shelf.clock.advance(DAYS * DAY_SECS)
        retention = keeper.storages()
        await retention.tick()
        assert len(await keeper.left("request_queues")) == 3
        await retention.tick()
        assert await keeper.left("request_queues") == set()

    async def test_what_a_kept_run_made_stays_with_it(self, shelf: Shelf, keeper: Keeper) -> None:
        run = await keeper.run(ended=False)
        made, _ = await shelf.datasets.get_or_create(replace(ALICE, run_id=run.id), None)
        storages = keeper.storages()
        for _ in range(3):
            await shelf.clock.advance(DAYS * DAY_SECS)
            await storages.tick()
        assert await keeper.left("datasets") == {made.id, dataset_of(run)}
        await shelf.database.write(lambda tx: store.delete(tx, run))
        await shelf.clock.advance(DAYS * DAY_SECS)
        await storages.tick()
        assert await keeper.left("datasets") == set()

    async def test_servers_that_tick_at_once_agree(self, shelf: Shelf, keeper: Keeper) -> None:
        for _ in range(20):
            await shelf.datasets.get_or_create(BOB, None)
            await keeper.run()
        named, _ = await shelf.datasets.get_or_create(BOB, "named")
        await shelf.clock.advance(DAYS * DAY_SECS)
        loops = [loop for _ in range(3) for loop in (keeper.runs(), keeper.storages())]
        await asyncio.gather(*(loop.tick() for loop in loops))
        assert await keeper.everything() == all_of() | {"datasets": {named.id}}

    # Runs

    async def test_runs_go_whole_and_to_the_millisecond(self, shelf: Shelf, keeper: Keeper) -> None:
        old = await keeper.run()
        await shelf.datasets.push(ALICE, dataset_of(old), b"{}")
        await shelf.clock.advance(MILLI)
        young, live = await keeper.run(), await keeper.run(ended=False)
        await shelf.database.write(lambda tx: store.add_usage(tx, [(old.id, "DATASET_WRITES", 1)]))
        await shelf.clock.advance(DAYS * DAY_SECS - 2 * MILLI)
        await keeper.runs().tick()
        assert await keeper.everything() == all_of(old, young, live)
        await shelf.clock.advance(MILLI)
        await keeper.runs().tick()
        assert await keeper.everything() == all_of(young, live)
        assert await shelf.rows("SELECT * FROM run_usage") == []
        await shelf.clock.advance(100 * DAY_SECS)
        await keeper.runs().tick()
        assert await keeper.everything() == all_of(live)

    async def test_the_newest_of_each_actor_and_user_stay(self, shelf: Shelf, keeper: Keeper) -> None:
        kept = []
        for actor, of in (("one", ALICE), ("two", ALICE), ("one", BOB)):
            runs = []
            for _ in range(KEPT + 2):
                runs.append(await keeper.run(actor=actor, of=of))
                await shelf.clock.advance(1)
            kept += runs[-KEPT:]
        await shelf.clock.advance(DAYS * DAY_SECS)
        await keeper.runs(newest_kept=KEPT).tick()
        assert await keeper.left("runs") == {run.id for run in kept}

    async def test_runs_of_one_moment_are_kept_exactly_too(self, shelf: Shelf, keeper: Keeper) -> None:
        for _ in range(KEPT + 3):
            await keeper.run()
        await shelf.clock.advance(DAYS * DAY_SECS)
        await keeper.runs(newest_kept=KEPT).tick()
        assert len(await keeper.left("runs")) == KEPT

    async def test_a_named_result_keeps_its_run(self, shelf: Shelf, keeper: Keeper) -> None:
        run = await keeper.run()
        await shelf.datasets.update(ALICE, dataset_of(run), UpdateStorage(name="precious"))
        await shelf.clock.advance(DAYS * DAY_SECS)
        await keeper.runs().tick()
        await keeper.storages().tick()
        assert await keeper.everything() == all_of(run)
        await shelf.datasets.update(ALICE, dataset_of(run), UpdateStorage(name=None))
        await shelf.clock.advance(DAYS * DAY_SECS - MILLI)
        await keeper.runs().tick()
        assert await keeper.everything() == all_of(run)
        await shelf.clock.advance(MILLI)
        await keeper.runs().tick()
        assert await keeper.everything() == all_of()

    async def test_results_that_are_read_keep_their_run(self, shelf: Shelf, keeper: Keeper) -> None:
        run = await keeper.run()
        await keeper.run()
        await shelf.clock.advance(DAYS * DAY_SECS - MILLI)
        await shelf.datasets.items(ALICE, dataset_of(run), ItemsQuery())
        await shelf.clock.advance(MILLI)
        await keeper.runs().tick()
        assert await keeper.everything() == all_of(run)
        await shelf.clock.advance(DAYS * DAY_SECS - MILLI)
        await keeper.runs().tick()
        assert await keeper.everything() == all_of()

    async def test_a_deleted_default_storage_keeps_nothing(self, shelf: Shelf, keeper: Keeper) -> None:
        run = await keeper.run()
        await shelf.datasets.delete(ALICE, dataset_of(run))
        await shelf.clock.advance(DAYS * DAY_SECS)
        await keeper.runs().tick()
        assert await keeper.everything() == all_of()

    async def test_what_happens_between_look_and_deletion_counts(self, shelf: Shelf, keeper: Keeper) -> None:
        named, resurrected, read, _ = [await keeper.run() for _ in range(4)]
        await shelf.clock.advance(DAYS * DAY_SECS)

        async def meanwhile() -> None:
            await shelf.datasets.update(ALICE, dataset_of(named), UpdateStorage(name="precious"))
            again = replace(resurrected, life=Life(status=RunStatus.READY))
            await shelf.database.write(lambda tx: store.save(tx, again, before=resurrected))
            await shelf.datasets.items(ALICE, dataset_of(read), ItemsQuery())
            await shelf.accesses.flush()

        await keeper.runs(database=Interrupted(shelf.database, meanwhile)).tick()
        assert await keeper.everything() == all_of(named, resurrected, read)

    async def test_a_tick_looks_at_a_bounded_number_of_runs_and_at_all_in_turn(
        self, shelf: Shelf, keeper: Keeper
    ) -> None:
        stay = [await keeper.run(actor=f"actor-{number}") for number in range(RETIRED_RUNS_PER_TICK)]
        await shelf.clock.advance(1)
        await keeper.run(actor="actor-0")
        await shelf.clock.advance(1)
        last = await keeper.run(actor="actor-0")
        await shelf.clock.advance(DAYS * DAY_SECS)
        retention = keeper.runs(newest_kept=1)
        await retention.tick()
        assert await keeper.left("runs") - {last.id} >= {run.id for run in stay[1:]}
        assert len(await keeper.left("runs")) == RETIRED_RUNS_PER_TICK + 1
        await retention.tick()
        assert await keeper.left("runs") == {run.id for run in stay[1:]} | {last.id}
        await shelf.database.write(lambda tx: store.delete(tx, stay[1]))
        await keeper.run(actor="actor-2")
        await retention.tick()
        assert stay[2].id not in await keeper.left("runs")

    async def test_deleted_contents_follow(self, shelf: Shelf, keeper: Keeper) -> None:
        run = await keeper.run()
        await shelf.datasets.push(ALICE, dataset_of(run), msgspec.json.encode({"big": "x" * DATASET_INLINE_BYTES_MAX}))
        await shelf.clock.advance(DAYS * DAY_SECS)
        blobs = await shelf.blob_keys()
        assert len(blobs) == 1
        await keeper.runs().tick()
        await shelf.sweeper.tick()
        assert await shelf.discarded() == blobs
        assert await shelf.rows("SELECT 1 AS one FROM dataset_chunks") == []
        with pytest.raises(NotFound):
            await shelf.datasets.get(ALICE, dataset_of(run))
