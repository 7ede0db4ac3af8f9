"""Starts and charges at once on every pairing: together they never pass a brake."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actorium.runs.brakes.loop import BrakeLoop
from actorium.runs.lifecycle import Event, RunStatus
from charging_world import charge, counts, events, priced
from server_world import ServerWorld, open_server

pytestmark = pytest.mark.anyio

ME = "/v2/users/me/brakes/user/me"


async def test_starts_at_once_share_what_is_left(database: Any) -> None:
    async with open_server(loops=False, database=database) as world:
        actors = [await world.actor(f"actor-{n}") for n in range(4)]
        minute = 0.2 / 60  # of 1024 MB
        await world.alice.put(ME, {"limitUsdPerDay": minute * 7.5})
        paths = [f"/v2/actors/{actor}/runs?memory=1024" for actor in actors * 10]
        answers = await asyncio.gather(*(world.alice.request("POST", path) for path in paths))
        assert sorted(answer.status for answer in answers) == [201] * 7 + [402] * 33
        standing = (await world.alice.get("/v2/users/me/brakes"))["items"][0]
        assert standing["reservedUsd"] == pytest.approx(minute * 7)
        for run in (await world.alice.get("/v2/actor-runs"))["items"]:
            await world.bring(run["id"], RunStatus.SUCCEEDED)
        await asyncio.gather(*(book(world) for _ in range(3)))
        left = (await world.alice.get("/v2/users/me/brakes"))["items"][0]
        assert (left["reservedUsd"], left["spentTodayUsd"]) == (0, 0)


async def test_charges_at_once_share_what_is_left_and_are_booked_once(database: Any) -> None:
    async with open_server(loops=False, database=database) as world:
        actor = await priced(world, events(result=0.01))
        await world.alice.put(ME, {"limitUsdPerDay": 0.3})
        runs = [await world.start(actor, memory=128) for _ in range(4)]
        for run in runs:
            await world.bring(run["id"], RunStatus.RUNNING)
        await asyncio.gather(*(charge(world, run, "result") for run in runs * 15))
        charged = [(await counts(world, run)).get("result", 0) for run in runs]
        assert sum(charged) == 29
        await world.clock.advance(3)
        for run in runs:
            await world.happen(run["id"], Event.EXITED, 0)
        await asyncio.gather(*(book(world) for _ in range(3)))
        standing = (await world.alice.get("/v2/users/me/brakes"))["items"][0]
        shown = [await world.alice.get(f"/v2/actor-runs/{run['id']}") for run in runs]
        cost = sum(run["usageTotalUsd"] for run in shown)
        assert standing["spentTodayUsd"] == pytest.approx(cost, abs=1e-8)
        assert 0.29 < cost <= 0.3


async def book(world: ServerWorld) -> None:
    """A look of one of several servers."""
    features, ground = world.features, world.features.ground
    loop = BrakeLoop(ground.database, views=features.views, clock=world.clock, ids=ground.ids)
    await loop.tick()
