"""Two servers on one PostgreSQL: a key charges once whichever of them it comes to, and neither misses the limit."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from actorium.database.postgres import Postgres
from actorium.kernel.limits import CHARGE_ABORT_SECS
from actorium.runs.lifecycle import Event, RunStatus
from charging_world import charge, counts, events, itself, limits, priced, push
from server_world import ServerWorld, open_server

pytestmark = [pytest.mark.anyio, pytest.mark.services]

ROUNDS = 25  # without a lock on the sum, some of so many runs are missed


async def test_charges_that_come_to_two_servers_at_once(postgres_kept_url: str) -> None:
    async with open_server(loops=False, database=await Postgres.open(postgres_kept_url)) as world:
        other = ServerWorld(await Postgres.open(postgres_kept_url), world.features.ground.settings)
        run = await world.start(await priced(world, events(a=0.5, b=0.25, apify_default_dataset_item=0.125)))
        keys = [(f"key {number}", "ab"[number % 2], number % 5 + 1) for number in range(60)]
        wanted = Counter({"apify-default-dataset-item": 60})
        for _, event, count in keys:
            wanted[event] += count
        await asyncio.gather(
            *(charge(at, run, event, count, key=key) for key, event, count in keys for at in (world, other, world)),
            *(push(itself(at, run), run, 1) for at in (world, other) for _ in range(30)),
        )
        assert await counts(world, run) == wanted
        await other.database.close()


async def test_two_charges_that_reach_the_limit_only_together(postgres_kept_url: str) -> None:
    async with open_server(loops=False, database=await Postgres.open(postgres_kept_url)) as world:
        other = ServerWorld(await Postgres.open(postgres_kept_url), world.features.ground.settings)
        actor = await priced(world, events(a=0.1, b=0.1))
        runs = [await world.start(actor, maxTotalChargeUsd=0.2) for _ in range(ROUNDS)]
        for run in runs:
            await world.happen(run["id"], Event.STARTED)
            await asyncio.gather(charge(world, run, "a"), charge(other, run, "b"))
        world.clock._now = other.clock._now = world.clock.now().plus(secs=CHARGE_ABORT_SECS)
        await asyncio.gather(limits(other).tick(), limits(world).tick())
        assert {(await world.row(run["id"])).status for run in runs} == {RunStatus.ABORTING}
        await other.database.close()
