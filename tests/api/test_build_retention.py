"""Builds that nobody uses are deleted after some time; those that a tag or the Actor's options name stay."""

from __future__ import annotations

from typing import Any

import pytest

from actorium.builds.retention import BuildRetention
from building import built, make
from server_world import ServerWorld, open_server
from world import World, open_world

pytestmark = pytest.mark.anyio
DAY = 86_400
DAYS = 90


def retention(world: World | ServerWorld, *, days: int = DAYS) -> BuildRetention:
    actors = world.actors if isinstance(world, World) else world.features.actors
    return BuildRetention(world.database, world.clock, actors=actors, days=days)


async def there(world: World, *builds: dict[str, Any]) -> list[bool]:
    return [(await world.alice.request("GET", f"/v2/actor-builds/{build['id']}")).status == 200 for build in builds]


async def test_what_no_tag_points_at_goes_after_its_time() -> None:
    async with open_world() as world:
        actor = await make(world)
        old, numbered = await built(world), await built(world)
        world.builder.fails = "Broken."
        failed = await built(world)
        world.builder.fails = None
        tagged, latest = await built(world, "version=0.1&tag=stable"), await built(world)
        waiting = await world.alice.post(f"/v2/actors/{actor['id']}/builds?version=0.1&tag=other")
        await world.alice.put(f"/v2/actors/{actor['id']}", {"defaultRunOptions": {"build": numbered["buildNumber"]}})
        everything = (old, numbered, failed, tagged, latest, waiting)
        await world.clock.advance(DAYS * DAY)
        await retention(world).tick()
        assert all(await there(world, *everything))
        await world.clock.advance(1)
        await retention(world, days=0).tick()
        assert all(await there(world, *everything))
        await retention(world).tick()
        assert await there(world, *everything) == [False, True, False, True, True, True]
        await world.ended(waiting["id"])
        await world.loop.tick()
        rows = await world.database.read(lambda tx: tx.all("SELECT id FROM builds"))
        assert len(rows) == 4
        await world.alice.put(f"/v2/actors/{actor['id']}", {"taggedBuilds": {"stable": None}})
        await retention(world).tick()
        assert await there(world, tagged, latest) == [False, True]


async def test_many_builds_are_walked_over_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorium.builds.retention.BUILDS_RETIRED_PER_TICK", 2)
    async with open_world() as world:
        await make(world)
        builds = []
        for tag in ("a", "b", "c", "d", "d"):
            builds.append(await built(world, f"version=0.1&tag={tag}"))
            await world.clock.advance(1)
        await world.clock.advance(DAYS * DAY + 1)
        loop = retention(world)
        for _ in range(2):
            await loop.tick()
        assert await there(world, *builds) == [True, True, True, False, True]
        await loop.tick()
        await world.alice.put("/v2/actors/~my-actor", {"taggedBuilds": {"a": None}})
        await loop.tick()
        assert await there(world, *builds[:3]) == [False, True, True]


async def test_a_start_is_a_use() -> None:
    async with open_server() as world:
        actor = await world.actor()
        old = await world.alice.get(f"/v2/actors/{actor}/builds/default")
        await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&waitForFinish=10")
        for _ in range(3):
            await world.clock.advance(40 * DAY)
            run = await world.running(actor, build=old["buildNumber"])
            await retention(world).tick()
        assert (await world.alice.get(f"/v2/actor-builds/{old['id']}"))["id"] == old["id"]
        await world.finished(run["id"])
        await world.clock.advance(DAYS * DAY)
        await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect", status=200)
        await world.clock.advance(DAYS * DAY - 1)
        await retention(world).tick()
        await world.alice.get(f"/v2/actor-builds/{old['id']}")
        await world.clock.advance(2)
        await retention(world).tick()
        await world.alice.get(f"/v2/actor-builds/{old['id']}", status=404)
