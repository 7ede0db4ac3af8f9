"""What callers see of retention: the rule's settings reach the loops, and what is gone is gone everywhere."""

from __future__ import annotations

import base64

import pytest

from actorium.kernel.instant import Instant
from actorium.kernel.limits import DAY_SECS
from server_world import ServerWorld, open_server

pytestmark = pytest.mark.anyio

LOOPS = ("runs.retention", "storages.retention", "storages.sweeper", "storages.garbage")

WEBHOOKS = base64.b64encode(b'[{"eventTypes": ["TEST"], "requestUrl": "http://example.com"}]').decode()


async def tick(world: ServerWorld) -> None:
    """Every loop of retention once, as the server wired it."""
    loops = {loop.name: loop for loop in world.work._loops}
    for name in LOOPS:
        await loops[name]._tick()


async def ended(world: ServerWorld, actor: str) -> dict[str, str]:
    run = await world.running(actor, webhooks=WEBHOOKS)
    await world.finished(run["id"])
    await world.clock.advance(1)
    return run


async def test_old_runs_are_gone_everywhere_and_the_newest_stay() -> None:
    async with open_server(runs_kept=2, run_days=3) as world:
        actor = await world.actor()
        runs = [await ended(world, actor) for _ in range(4)]
        await world.alice.put(f"/v2/datasets/{runs[0]['defaultDatasetId']}", {"name": "precious"})
        await world.clock.advance(3 * DAY_SECS)
        await tick(world)
        listed = await world.alice.get("/v2/actor-runs")
        assert [run["id"] for run in listed["items"]] == [runs[0]["id"], runs[2]["id"], runs[3]["id"]]
        gone = runs[1]
        for path in (
            f"/v2/actor-runs/{gone['id']}",
            f"/v2/actor-runs/{gone['id']}/dataset",
            f"/v2/logs/{gone['id']}",
            f"/v2/datasets/{gone['defaultDatasetId']}",
            f"/v2/key-value-stores/{gone['defaultKeyValueStoreId']}",
            f"/v2/request-queues/{gone['defaultRequestQueueId']}",
        ):
            await world.alice.get(path, status=404)
        webhooks = await world.database.read(lambda tx: tx.all("SELECT actor_run_id FROM webhooks"))
        assert {row["actor_run_id"] for row in webhooks} == {runs[0]["id"], runs[2]["id"], runs[3]["id"]}
        assert (await world.alice.get("/v2/datasets/~precious"))["id"] == runs[0]["defaultDatasetId"]


async def test_nothing_goes_where_the_settings_say_for_ever() -> None:
    async with open_server(runs_kept=0, run_days=0, unnamed_storage_days=0) as world:
        run = await ended(world, await world.actor())
        queue = await world.alice.post("/v2/request-queues")
        assert "expireAt" not in queue
        await world.clock.advance(10_000 * DAY_SECS)
        await tick(world)
        assert (await world.alice.get(f"/v2/actor-runs/{run['id']}"))["status"] == "SUCCEEDED"
        assert (await world.alice.get(f"/v2/request-queues/{queue['id']}"))["id"] == queue["id"]


async def test_a_queue_says_when_it_goes() -> None:
    async with open_server() as world:
        queue = await world.alice.post("/v2/request-queues")
        named = await world.alice.post("/v2/request-queues?name=stays")
        run = await ended(world, await world.actor())
        of_run = await world.alice.get(f"/v2/request-queues/{run['defaultRequestQueueId']}")
        assert "expireAt" not in named
        assert "expireAt" not in of_run
        until = Instant.parse(queue["expireAt"])
        assert until == Instant.parse(queue["accessedAt"]).plus(secs=7 * DAY_SECS)
        await world.clock.advance(world.clock.now().secs_until(until) - 1)
        await tick(world)
        await world.alice.get(f"/v2/request-queues/{queue['id']}")
        await world.clock.advance(1)
        await tick(world)
        await world.alice.get(f"/v2/request-queues/{queue['id']}", status=404)
        assert (await world.alice.get(f"/v2/request-queues/{named['id']}"))["id"] == named["id"]
