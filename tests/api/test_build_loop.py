"""Builds that are stopped, taken over, deleted: what the loop behind them does."""

from __future__ import annotations

import asyncio

import pytest

from actorium.builds import changes
from actorium.builds.sources import Log, Tree, Wanted
from actorium.kernel.limits import BUILD_ATTEMPTS_MAX, BUILD_LEASE_SECS, BUILD_TIMEOUT_SECS
from building import BUILDS, built, log_of, make
from world import open_world

pytestmark = pytest.mark.anyio


async def test_aborting_a_build_that_waits() -> None:
    async with open_world() as world:
        await make(world)
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        done = await world.alice.post(f"/v2/actor-builds/{build['id']}/abort", status=200)
        assert done["status"] == "ABORTED"
        assert done["finishedAt"] is not None
        assert await world.alice.post(f"/v2/actor-builds/{build['id']}/abort", status=200) == done
        await world.loop.tick()
        assert world.builder.specs == []
        assert await world.events() == ["ACTOR.BUILD.ABORTED", "ACTOR.BUILD.CREATED"]


async def test_aborting_a_build_that_runs() -> None:
    async with open_world() as world:
        actor = await make(world)
        world.builder.hang()
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        await world.loop.tick()
        await world.builder.begun()
        nested = f"/v2/acts/{actor['id']}/builds/{build['id']}/abort"
        assert (await world.alice.post(nested, status=200))["status"] == "ABORTING"
        assert await world.ended(build["id"]) == "ABORTED"
        assert world.builder.cancelled == [f"{build['id']}-1"]
        assert (await log_of(world, build["id"]))[-1] == "ACTOR: Build was aborted."
        assert (await world.bob.post(f"/v2/actor-builds/{build['id']}/abort", status=404))["type"] == "record-not-found"


async def test_a_build_that_takes_too_long() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.hang()
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        await world.loop.tick()
        await world.builder.begun()
        await world.clock.advance(BUILD_TIMEOUT_SECS - 1)
        await world.loop.tick()
        assert (await world.alice.get(f"/v2/actor-builds/{build['id']}"))["status"] == "RUNNING"
        await world.clock.advance(1)
        assert await world.ended(build["id"]) == "TIMED-OUT"
        assert "timed out" in (await log_of(world, build["id"]))[-1]
        assert await world.events() == ["ACTOR.BUILD.CREATED", "ACTOR.BUILD.TIMED_OUT"]


async def test_a_builder_that_ends_it_in_time_itself() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.hang()
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        await world.loop.tick()
        await world.builder.begun()
        await world.clock.advance(BUILD_TIMEOUT_SECS)
        world.builder.fails = "It took too long."
        world.builder.go()
        async with asyncio.timeout(10):
            with world.waiters.watch((changes.CHANNEL, build["id"])) as bell:
                await bell.ring(10)
        assert (await world.alice.get(f"/v2/actor-builds/{build['id']}"))["status"] == "TIMED-OUT"


async def test_a_build_is_taken_over_when_its_server_is_gone() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.hang()
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        dead = world.another_loop()
        await dead.tick()
        await world.builder.begun()
        await world.loop.tick()
        assert len(world.builder.specs) == 1
        await world.clock.advance(BUILD_LEASE_SECS + 1)
        await world.loop.tick()
        await world.builder.begun()  # the second attempt, before the first goes on
        world.builder.go()
        assert await world.ended(build["id"]) == "SUCCEEDED"
        assert [spec.name for spec in world.builder.specs] == [f"{build['id']}-1", f"{build['id']}-2"]
        assert (await world.events()).count("ACTOR.BUILD.SUCCEEDED") == 1
        assert "attempt 2" in "\n".join(await log_of(world, build["id"]))


async def test_a_claim_is_renewed_while_the_build_goes_on() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.hang()
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        await world.loop.tick()
        await world.builder.begun()
        other = world.another_loop()
        for _ in range(5):
            await world.clock.advance(BUILD_LEASE_SECS / 2)
            await world.loop.tick()
            await other.tick()
        assert len(world.builder.specs) == 1
        await other.close()
        world.builder.go()
        assert await world.ended(build["id"]) == "SUCCEEDED"


async def test_a_stopping_server_leaves_its_builds_to_the_next() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.hang()
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        stopping = world.another_loop()
        await stopping.tick()
        await world.builder.begun()
        await stopping.close()
        assert world.builder.cancelled == [f"{build['id']}-1"]
        assert (await world.alice.get(f"/v2/actor-builds/{build['id']}"))["status"] == "RUNNING"
        world.builder.go()
        assert await world.ended(build["id"]) == "SUCCEEDED"


async def test_a_build_that_breaks_its_builder_again_and_again_fails() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.error = RuntimeError("a bug")
        build = await built(world)
        assert build["status"] == "FAILED"
        assert len(world.builder.specs) == BUILD_ATTEMPTS_MAX
        assert "The server's own log says why" in (await log_of(world, build["id"]))[-1]


async def test_only_so_many_builds_at_a_time() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.hang()
        builds = [await world.alice.post(f"{BUILDS}?version=0.1") for _ in range(3)]
        await world.loop.tick()
        statuses = [item["status"] for item in (await world.alice.get(BUILDS))["items"]]
        assert sorted(statuses) == ["READY", "RUNNING", "RUNNING"]
        world.builder.go()
        for build in builds:
            assert await world.ended(build["id"]) == "SUCCEEDED"


async def test_deleting() -> None:
    async with open_world() as world:
        await make(world)
        first, second = await built(world), await built(world)
        third = await world.alice.post(f"{BUILDS}?version=0.1")
        error = await world.alice.delete(f"/v2/actor-builds/{second['id']}", status=400)
        assert error["type"] == "deleting-default-build"
        error = await world.alice.delete(f"/v2/actor-builds/{third['id']}", status=400)
        assert error["type"] == "deleting-unfinished-build"
        await world.bob.delete(f"/v2/actor-builds/{first['id']}", status=404)
        await world.alice.put("/v2/actors/~my-actor", {"taggedBuilds": {"old": {"buildId": first["id"]}}})
        await world.alice.delete(f"/v2/actor-builds/{first['id']}")
        await world.alice.get(f"/v2/actor-builds/{first['id']}", status=404)
        await world.alice.delete(f"/v2/actor-builds/{first['id']}", status=404)
        assert list((await world.alice.get("/v2/actors/~my-actor"))["taggedBuilds"]) == ["latest"]
        await world.ended(third["id"])
        await world.loop.tick()
        assert world.builder.removed == []  # the other builds have the same image
        rows = await world.database.read(lambda tx: tx.all("SELECT id FROM builds"))
        assert {row["id"] for row in rows} == {second["id"], third["id"]}
        logs = await world.database.read(lambda tx: tx.all("SELECT subject_id FROM logs"))
        assert first["id"] not in {row["subject_id"] for row in logs}


async def test_an_image_stays_while_a_run_needs_it() -> None:
    async with open_world() as world:
        actor = await make(world)
        build = await built(world)
        world.builds_in_use.add(build["id"])
        await world.alice.delete(f"/v2/actors/{actor['id']}")
        await world.loop.tick()
        assert world.builder.removed == []
        found = await world.database.read(lambda tx: world.builds.find_in(tx, build["id"], even_removed=True))
        assert found is not None
        world.builds_in_use.clear()
        await world.loop.tick()
        assert len(world.builder.removed) == 1
        assert await world.database.read(lambda tx: tx.all("SELECT id FROM builds")) == []


async def test_deleting_an_actor_ends_its_builds() -> None:
    async with open_world() as world:
        actor = await make(world)
        world.builder.hang()
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        await world.loop.tick()
        await world.builder.begun()
        await world.alice.delete(f"/v2/actors/{actor['id']}")
        await world.loop.tick()
        async with asyncio.timeout(10):
            while await world.database.read(lambda tx: tx.all("SELECT id FROM builds")):
                await world.loop.tick()
        assert world.builder.cancelled == [f"{build['id']}-1"]


class Repository:
    """Sources of a whole repository, of which the Actor is one folder."""

    async def fetch(self, wanted: Wanted, log: Log) -> Tree:
        files = {
            "actors/one/.actor/actor.json": b'{"dockerContextDir": "../../.."}',
            "actors/one/.actor/Dockerfile": b"FROM x",
            "lib/a.py": b"",
        }
        return Tree(files=files, root="actors/one")

    async def forget(self, build_id: str) -> None:
        pass


async def test_an_actor_in_a_folder_of_a_repository_is_built_with_its_context() -> None:
    async with open_world() as world:
        await make(world)
        world.loop._sources = Repository()
        assert (await built(world))["status"] == "SUCCEEDED"
        [spec] = world.builder.specs
        assert spec.dockerfile == "actors/one/.actor/Dockerfile"
        assert "lib/a.py" in spec.files
        assert spec.build_args["ACTOR_PATH_IN_DOCKER_CONTEXT"] == "actors/one"
