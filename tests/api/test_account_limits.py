"""What one account may use at once: waiting runs and builds counted in, refused with types that clients wait on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from apify_client._utils.wait_for_resources import RESOURCE_LIMIT_ERROR_TYPES

from actorium.builds import store as builds_store
from actorium.database import Row, Tx
from actorium.kernel.limits import BUILD_MEMORY_MBYTES
from actorium.runs import store
from actorium.runs.lifecycle import RunStatus
from server_world import ServerWorld, open_server

pytestmark = pytest.mark.anyio

MEMORY, RUNS = "actor-memory-limit-exceeded", "concurrent-runs-limit-exceeded"


async def refused(world: ServerWorld, actor: str, **query: object) -> dict[str, Any]:
    """The error of a start that is refused, after which nothing is there that was not before."""
    before = (
        (await world.alice.get("/v2/actor-runs"))["total"],
        (await world.alice.get("/v2/datasets?unnamed=1"))["total"],
    )
    text = "&".join(f"{name}={value}" for name, value in query.items())
    error: dict[str, Any] = await world.alice.post(f"/v2/actors/{actor}/runs?{text}", status=402)
    after = (
        (await world.alice.get("/v2/actor-runs"))["total"],
        (await world.alice.get("/v2/datasets?unnamed=1"))["total"],
    )
    assert before == after
    assert (await world.alice.get(f"/v2/actors/{actor}"))["stats"]["totalRuns"] == before[0]
    return error


async def test_the_memory_of_all_that_has_not_ended_has_a_limit() -> None:
    async with open_server(loops=False, user_memory_mbytes=BUILD_MEMORY_MBYTES) as world:
        actor = await world.actor()
        first = await world.start(actor, memory=2048)
        await world.start(actor, memory=1024)
        error = await refused(world, actor, memory=2048)
        assert error["type"] == MEMORY
        for word in ("2048 MB", "3072 MB", "4096 MB", "abort"):
            assert word in error["message"]
        await world.start(actor, memory=1024)
        assert (await refused(world, actor, memory=128))["type"] == MEMORY
        build = await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1", status=402)
        assert build["type"] == MEMORY
        assert (await world.alice.get(f"/v2/actors/{actor}/builds"))["total"] == 1
        await world.bring(first["id"], RunStatus.RUNNING)
        assert (await refused(world, actor, memory=128))["type"] == MEMORY
        other = await world.actor(client=world.bob)
        await world.start(other, client=world.bob, memory=4096)


async def test_what_has_ended_counts_no_more() -> None:
    async with open_server(loops=False, user_memory_mbytes=BUILD_MEMORY_MBYTES, user_concurrent_runs=1) as world:
        actor = await world.actor()
        for status in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.ABORTED):
            run = await world.start(actor, memory=4096)
            assert (await refused(world, actor, memory=128))["type"] == RUNS
            await world.bring(run["id"], status)
        running = await world.start(actor, memory=128)
        error = await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect", status=402)
        assert error["type"] == RUNS
        await world.bring(running["id"], RunStatus.SUCCEEDED)
        assert (await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect", status=200))["status"] == "READY"


async def test_the_number_of_unfinished_runs_has_a_limit_also_for_those_that_ask_at_once() -> None:
    async with open_server(loops=False, user_concurrent_runs=3) as world:
        actor = await world.actor()
        task = (await world.alice.post("/v2/actor-tasks", {"actId": actor}))["id"]
        paths = [f"/v2/actors/{actor}/runs", f"/v2/actor-tasks/{task}/runs"] * 10
        answers = await asyncio.gather(*(world.alice.request("POST", path) for path in paths))
        assert sorted(answer.status for answer in answers) == [201] * 3 + [402] * 17
        kinds = {answer.json["error"]["type"] for answer in answers if answer.status == 402}
        assert kinds == {RUNS}
        assert kinds | {MEMORY} == RESOURCE_LIMIT_ERROR_TYPES
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 3


async def test_a_user_may_have_limits_of_their_own() -> None:
    async with open_server(loops=False, user_concurrent_runs=1) as world:
        actor, users = await world.actor(), world.features.users
        await world.start(actor)
        await refused(world, actor)
        quota = await users.limit("Alice", memory_mbytes=2048, concurrent_runs=0)
        assert (quota.memory_mbytes, quota.concurrent_runs) == (2048, 0)
        await world.start(actor, memory=1024)
        assert (await refused(world, actor, memory=128))["type"] == MEMORY
        await users.limit("alice", memory_mbytes=-1, concurrent_runs=None)
        await world.start(actor, memory=128)
        await users.limit("alice", memory_mbytes=None, concurrent_runs=-1)
        assert (await refused(world, actor))["type"] == RUNS


async def test_a_limit_looks_at_live_rows_alone() -> None:
    async with open_server(loops=False) as world:
        plans: list[str] = []

        class Explaining:
            def __init__(self, tx: Tx) -> None:
                self.tx = tx

            def one(self, sql: str, **params: Any) -> Row | None:
                plans.extend(row["detail"] for row in self.tx.all(f"EXPLAIN QUERY PLAN {sql}", **params))
                return self.tx.one(sql, **params)

        await world.database.read(lambda tx: store.load(Explaining(tx), "x"))  # type: ignore[arg-type]
        await world.database.read(lambda tx: builds_store.live_count(Explaining(tx), "x"))  # type: ignore[arg-type]
        assert ["INDEX runs_live_of_owner" in plans[0], "INDEX builds_live_of_owner" in plans[1]] == [True, True], plans
