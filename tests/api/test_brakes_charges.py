"""Money brakes and what runs are charged: when it counts, and where it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actorium.runs.lifecycle import Event, RunStatus
from brakes_world import BrakesWorld, open_brakes
from charging_world import charge, counts, events, itself, priced, push

pytestmark = pytest.mark.anyio

ME = "/v2/users/me/brakes/user/me"


async def brake(world: BrakesWorld, usd: float) -> Any:
    return await world.alice.put(ME, {"limitUsdPerDay": usd})


async def test_charges_at_once_of_several_runs_share_a_brake() -> None:
    async with open_brakes() as world:
        actor = await priced(world.server, events(result=0.01))
        await brake(world, 0.3)
        runs = [await world.server.start(actor, memory=128) for _ in range(4)]
        await world.go_on(1)
        await asyncio.gather(*(charge(world.server, run, "result") for run in runs * 15))
        charged = [(await counts(world.server, run)).get("result", 0) for run in runs]
        assert sum(charged) == 29


async def test_items_beyond_the_brake_are_stored_and_not_charged() -> None:
    async with open_brakes() as world:
        actor = await priced(world.server, events(apify_default_dataset_item=0.1))
        run = await world.server.start(actor, memory=128)
        await world.go_on(1)
        await brake(world, 0.55)
        await push(itself(world.server, run), run, 8)
        assert await counts(world.server, run) == {"apify-default-dataset-item": 5}
        assert (await world.alice.get(f"/v2/datasets/{run['defaultDatasetId']}"))["itemCount"] == 8


async def test_what_is_charged_at_midnight_counts_for_the_day_in_which_it_is_charged() -> None:
    """Before the loop has looked: else the day that is over and the new one would both pay for a whole brake."""
    async with open_brakes() as world:
        actor = await priced(world.server, events(result=0.01))
        await brake(world, 1)
        await world.server.clock.advance(86_400 - 10)
        run = await world.server.start(actor, memory=128)
        await world.go_on(9)
        await charge(world.server, run, "result", 90)
        await world.server.clock.advance(1)
        await charge(world.server, run, "result", 90)
        assert (await world.brakes())[0]["spentTodayUsd"] == pytest.approx(0.9, abs=0.001)
        await charge(world.server, run, "result", 90)
        assert await counts(world.server, run) == {"result": 90 + 99}
        await world.loop.tick()
        await charge(world.server, run, "result", 90)
        assert await counts(world.server, run) == {"result": 90 + 99}


async def test_what_is_charged_while_a_run_waits_for_its_place_counts() -> None:
    """A resurrected one has a token already, and whoever may write to its dataset needs none of it."""
    async with open_brakes() as world:
        actor = await priced(world.server, events(result=0.01))
        run = await world.server.start(actor, memory=128)
        await world.go_on(1)
        await world.exit(run["id"])
        await brake(world, 1)
        await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect", status=200)
        other = await world.server.start(actor, memory=128)
        for each in (run, other, run, other):
            await charge(world.server, each, "result", 60)
        sums = [await counts(world.server, each) for each in (run, other)]
        assert sums == [{"result": 60}, {"result": 39}]
        assert (await world.brakes())[0]["spentTodayUsd"] == pytest.approx(0.99, abs=0.001)
        await world.go_on(2)
        assert (await world.brakes())[0]["spentTodayUsd"] == pytest.approx(0.99, abs=0.001)


async def test_a_brake_of_nothing_stops_what_costs_nothing_yet() -> None:
    """Runs of somebody else's paid Actor cost their events alone, and none before they have begun."""
    async with open_brakes() as world:
        actor = await priced(world.server, events(result=0.01), public=True)
        bob = world.server.bob
        run, waiting = [await world.server.start(actor, client=bob, memory=128) for _ in range(2)]
        await world.server.happen(run["id"], Event.STARTED)
        await bob.put(ME, {"limitUsdPerDay": 0})
        error = await bob.post(f"/v2/actors/{actor}/runs", status=402)
        assert error["type"] == "not-enough-usage-to-run-paid-actor"
        await world.loop.tick()
        for each in (run, waiting):
            row = await world.server.row(each["id"])
            assert (row.status, row.life.is_graceful) == (RunStatus.ABORTING, False)
            await world.server.happen(each["id"], Event.EXITED)
        await bob.post(f"/v2/actors/{actor}/runs", status=402)
