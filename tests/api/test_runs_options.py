"""What a run gets of memory and limits: the Actor's expression over the input, its bounds, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorium.kernel.limits import EXPRESSION_CHARS_MAX
from actorium.runs.lifecycle import RunStatus
from server_world import ServerWorld, answered, open_server
from world import version

pytestmark = pytest.mark.anyio


async def actor_with(world: ServerWorld, definition: dict[str, Any], **more: Any) -> str:
    """The id of an Actor whose actor.json says so much."""
    files = (("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps({"name": "sized"} | definition)))
    return await world.actor(name=f"sized-{world.features.ground.ids.new()}", versions=[version(*files)], **more)


async def memory_of(world: ServerWorld, actor: str, input: Any = None, **query: object) -> int:
    options = (await world.start(actor, input=input, **query))["options"]
    assert options["diskMbytes"] == 2 * options["memoryMbytes"]
    return int(options["memoryMbytes"])


async def log_of(world: ServerWorld, run: dict[str, Any]) -> str:
    return (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body.decode()


async def test_memory_by_the_call_else_the_task_else_the_expression_else_the_actor() -> None:
    async with open_server(loops=False) as world:
        text = "get(input, 'urls.length', 1) * 500 + (runOptions.timeoutSecs > 100 ? {{input.more}} : 0)"
        own = {"build": "latest", "memoryMbytes": 8192}
        actor = await actor_with(world, {"defaultMemoryMbytes": text}, defaultRunOptions=own)
        urls = {"urls": ["a", "b", "c", "d"], "more": 0}
        assert await memory_of(world, actor, urls) == 2048
        assert await memory_of(world, actor, {"more": 0}) == 512
        assert await memory_of(world, actor, {"more": 500}, timeout=200) == 1024
        assert await memory_of(world, actor, urls, timeout=50) == 2048
        assert await memory_of(world, actor, urls, memory=256) == 256
        wanted = {"actId": actor, "input": urls, "options": {"memoryMbytes": 4096}}
        task = (await world.alice.post("/v2/actor-tasks", wanted))["id"]
        assert (await world.alice.post(f"/v2/actor-tasks/{task}/runs"))["options"]["memoryMbytes"] == 4096
        await world.alice.put(f"/v2/actor-tasks/{task}", {"options": {"memoryMbytes": None}})
        assert (await world.alice.post(f"/v2/actor-tasks/{task}/runs"))["options"]["memoryMbytes"] == 2048
        merged = await world.alice.post(f"/v2/actor-tasks/{task}/runs", {"urls": ["a"]})
        assert merged["options"]["memoryMbytes"] == 512


async def test_an_expression_without_a_value_leaves_the_actors_default_and_the_log_says_why() -> None:
    async with open_server(loops=False) as world:
        own = {"build": "latest", "memoryMbytes": 256}
        for text, word in (("input.pages * 10", "absent value"), ("while(1)", "no function"), ("-5", "above 0")):
            actor = await actor_with(world, {"defaultMemoryMbytes": text}, defaultRunOptions=own)
            for unfit in (None, {"other": 1}, [1]):
                run = await world.start(actor, input=unfit)
                assert run["options"]["memoryMbytes"] == 256
                assert word in await log_of(world, run)
        actor = await actor_with(world, {"defaultMemoryMbytes": "input.pages"}, defaultRunOptions=own)
        answer = await world.alice.request(
            "POST", f"/v2/actors/{actor}/runs", body=b'{"pages": 4096}', headers={"Content-Type": "text/plain"}
        )
        run = answered(answer, 201)["data"]
        assert (run["options"]["memoryMbytes"], "absent value" in await log_of(world, run)) == (256, True)


async def test_the_actors_bounds_hold_what_is_computed_and_refuse_what_is_asked_for() -> None:
    async with open_server(loops=False) as world:
        bounds = {"minMemoryMbytes": 500, "maxMemoryMbytes": 2048}
        plain = await actor_with(world, bounds, defaultRunOptions={"build": "latest", "memoryMbytes": 4096})
        assert await memory_of(world, plain) == 2048
        assert await memory_of(world, plain, memory=512) == 512
        for memory in (256, 4096):
            error = await world.alice.post(f"/v2/actors/{plain}/runs?memory={memory}", status=400)
            assert (error["type"], "512 to 2048" in error["message"]) == ("invalid-value", True)
        run = await world.start(plain, memory=512)
        await world.bring(run["id"], RunStatus.FAILED)
        for memory, status in ((4096, 400), (1024, 200)):
            await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect?memory={memory}", status=status)
        computed = await actor_with(world, bounds | {"defaultMemoryMbytes": "input.pages"})
        assert await memory_of(world, computed, {"pages": 1e9}) == 2048
        assert await memory_of(world, computed, {"pages": 1}) == 512
        assert await memory_of(world, await actor_with(world, {"defaultMemoryMbytes": 700})) == 512
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 6


async def test_an_expression_that_is_too_long_ends_the_build() -> None:
    async with open_server() as world:
        files = (("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps({"defaultMemoryMbytes": "1" * 1001})))
        made = await world.alice.post("/v2/actors", {"name": "long", "versions": [version(*files)]})
        build = await world.alice.post(f"/v2/actors/{made['id']}/builds?version=0.1&waitForFinish=10")
        assert build["status"] == "FAILED"
        assert f"{EXPRESSION_CHARS_MAX} characters" in await log_of(world, build)


async def test_limits_that_are_none_are_refused_and_nothing_is_started() -> None:
    async with open_server(loops=False) as world:
        actor = await world.actor()
        wrong = {
            "maxItems=-1": "max-items-must-be-greater-than-zero",
            "maxItems=1e300": "max-items-must-be-greater-than-zero",
            "maxItems=nan": "invalid-parameter",
            "maxTotalChargeUsd=0": "max-total-charge-usd-must-be-greater-than-zero",
            "maxTotalChargeUsd=-0.01": "max-total-charge-usd-must-be-greater-than-zero",
            "maxTotalChargeUsd=1e12": "max-total-charge-usd-must-be-greater-than-zero",
            "maxTotalChargeUsd=inf": "invalid-parameter",
            "memory=1e300": "invalid-value",
        }
        for query, kind in wrong.items():
            error = await world.alice.post(f"/v2/actors/{actor}/runs?{query}", status=400)
            assert error["type"] == kind, query
        for options in ({"maxItems": -1}, {"maxTotalChargeUsd": 0}, {"timeoutSecs": -1}, {"memoryMbytes": 100}):
            refused = await world.alice.post("/v2/actor-tasks", {"actId": actor, "options": options}, status=400)
            assert "must be" in refused["message"], options
        await world.alice.put(f"/v2/actors/{actor}", {"defaultRunOptions": {"maxItems": 2**60}}, status=400)
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0
        options = (await world.start(actor, timeout=0.2, maxItems=0.2, memory=256.4))["options"]
        assert (options["timeoutSecs"], options["maxItems"], options["memoryMbytes"]) == (1, 1, 256)


async def test_memory_that_a_run_has_stays_whatever_its_bounds_say_until_another_build_is_named() -> None:
    """By a metamorph: the target's bounds were not asked when it took the run over."""
    async with open_server() as world:
        source = await world.actor("source")
        bounds = {"minMemoryMbytes": 1024, "maxMemoryMbytes": 2048}
        target = await actor_with(world, bounds)
        run = await world.running(source, memory=128)
        path = f"/v2/actor-runs/{run['id']}"
        await world.alice.post(f"{path}/metamorph?targetActorId={target}", {}, status=200)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        await world.finished(run["id"], 1, attempt=2)
        fork = await world.alice.post(f"{path}/fork")
        assert (fork["actId"], fork["options"]["memoryMbytes"], fork["options"]["diskMbytes"]) == (target, 128, 256)
        await world.alice.post(f"/v2/actors/{target}/builds?version=0.1&tag=latest&waitForFinish=10")
        for way in ("fork", "resurrect"):
            assert "1024 to 2048" in (await world.alice.post(f"{path}/{way}?memory=512", status=400))["message"]
            error = await world.alice.post(f"{path}/{way}?build=latest", status=400)
            assert error["type"] == "invalid-value"
            for word in ("128 MB", "0.1.2", "1024 to 2048 MB", "parameter memory"):
                assert word in error["message"], error
        fork = await world.alice.post(f"{path}/fork?build=latest&memory=2048")
        assert fork["options"]["memoryMbytes"] == 2048
        again = await world.alice.post(f"{path}/resurrect?build={run['buildNumber']}", status=200)
        assert again["options"]["memoryMbytes"] == 128
        await world.reached(run["id"], RunStatus.RUNNING, attempt=3)
        await world.finished(run["id"], 1, attempt=3)
        again = await world.alice.post(f"{path}/resurrect", status=200)
        assert again["options"]["memoryMbytes"] == 128
        await world.reached(run["id"], RunStatus.RUNNING, attempt=4)
        await world.finished(run["id"], 1, attempt=4)
        again = await world.alice.post(f"{path}/resurrect?build=latest&memory=1024", status=200)
        assert again["options"]["memoryMbytes"] == 1024
