"""Running tasks over the API: input and options of call, task and Actor; the lists; the last run and all below it."""

from __future__ import annotations

from typing import Any

import pytest
from apify_client._models import Run

from actorium.kernel.limits import RUN_TIMEOUT_SECS_DEFAULT
from actorium.runs.lifecycle import RunStatus, container_name
from server_world import ServerWorld, answered, open_server

pytestmark = pytest.mark.anyio


async def task_of(world: ServerWorld, actor: str | None = None, **more: Any) -> str:
    """The path of a new task."""
    wanted = {"actId": actor or await world.actor()} | more
    return f"/v2/actor-tasks/{(await world.alice.post('/v2/actor-tasks', wanted))['id']}"


async def input_of(world: ServerWorld, run: dict[str, Any]) -> tuple[str, bytes] | None:
    """Content type and bytes of a run's input."""
    path = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records/INPUT"
    answer = await world.alice.request("GET", path)
    return None if answer.status == 404 else (answer.headers["content-type"], answer.body)


async def test_a_run_of_a_task_says_so_everywhere() -> None:
    async with open_server() as world:
        actor = await world.actor()
        await task_of(world, actor, name="mine")
        answer = await world.alice.request("POST", "/v2/actor-tasks/~mine/runs")
        run = answered(answer, 201)["data"]
        assert answer.headers["location"] == f"/v2/actor-runs/{run['id']}"
        task = await world.alice.get("/v2/actor-tasks/~mine")
        assert (run["actId"], run["actorTaskId"], run["meta"]["origin"]) == (actor, task["id"], "API")
        assert task["stats"] == {"totalRuns": 1}
        Run.model_validate(run)
        await world.reached(run["id"], RunStatus.RUNNING)
        environment = world.executor.spec(container_name(run["id"], 1)).env
        assert (environment["ACTOR_TASK_ID"], environment["APIFY_ACTOR_TASK_ID"]) == (task["id"], task["id"])
        [listed] = (await world.alice.get("/v2/actor-runs"))["items"]
        assert listed["actorTaskId"] == task["id"]
        assert (await world.alice.get(f"/v2/actors/{actor}"))["stats"]["totalRuns"] == 1
        direct = await world.start(actor)
        assert direct["actorTaskId"] is None


async def test_options_come_from_the_call_else_the_task_else_the_actor() -> None:
    async with open_server() as world:
        actor = await world.actor(defaultRunOptions={"build": "latest", "memoryMbytes": 128, "timeoutSecs": 11})
        plain = await task_of(world, actor)
        own = await task_of(
            world,
            actor,
            options={"memoryMbytes": 256, "timeoutSecs": 22, "maxItems": 7, "restartOnError": True, "build": "0.1.1"},
        )
        run = await world.alice.post(f"{plain}/runs")
        assert run["options"] == {"build": "latest", "memoryMbytes": 128, "diskMbytes": 256, "timeoutSecs": 11}
        run = await world.alice.post(f"{own}/runs")
        assert run["options"] == {
            "build": "0.1.1",
            "memoryMbytes": 256,
            "diskMbytes": 512,
            "timeoutSecs": 22,
            "maxItems": 7,
            "restartOnError": True,
        }
        query = "memory=512&timeout=0&maxItems=0&restartOnError=0&build=latest&maxTotalChargeUsd=2"
        run = await world.alice.post(f"{own}/runs?{query}")
        assert run["options"] == {
            "build": "latest",
            "memoryMbytes": 512,
            "diskMbytes": 1024,
            "timeoutSecs": 0,
            "maxTotalChargeUsd": 2.0,
        }
        assert RUN_TIMEOUT_SECS_DEFAULT not in (11, 22, 0)


async def test_input_of_the_task_and_of_the_call() -> None:
    async with open_server() as world:
        actor = await world.actor()
        plain, own = await task_of(world, actor), await task_of(world, actor, input={"a": 1, "b": {"x": 1}})
        json = "application/json; charset=utf-8"
        assert await input_of(world, await world.alice.post(f"{plain}/runs")) is None
        for body in (None, b"null"):
            headers = {"content-type": "application/json"} if body else {}
            answer = await world.alice.request("POST", f"{own}/runs", body=body or b"", headers=headers)
            assert await input_of(world, answered(answer, 201)["data"]) == (json, b'{"a":1,"b":{"x":1}}')
        run = await world.alice.post(f"{own}/runs", {"b": {"y": 2}, "c": 3})
        assert await input_of(world, run) == (json, b'{"a":1,"b":{"y":2},"c":3}')
        assert run["stats"]["inputBodyLen"] == len(b'{"a":1,"b":{"y":2},"c":3}')
        assert await input_of(world, await world.alice.post(f"{own}/runs", [1])) == ("application/json", b"[1]")
        for path in (plain, own):
            answer = await world.alice.request("POST", f"{path}/runs", body=b"text", headers={"content-type": "a/b"})
            assert await input_of(world, answered(answer, 201)["data"]) == ("a/b", b"text")
        answer = await world.alice.request("POST", f"{own}/runs", body=b"null", headers={"content-type": "text/plain"})
        assert await input_of(world, answered(answer, 201)["data"]) == ("text/plain", b"null"), "only JSON has a null"
        assert answered(await world.alice.request("GET", f"{own}/input"), 200) == {"a": 1, "b": {"x": 1}}


async def test_what_is_wrong_with_a_start() -> None:
    async with open_server() as world:
        actor = await world.actor()
        path = await task_of(world, actor, input={})
        refused = await world.alice.post(f"{path}/runs?memory=100", status=400)
        assert refused["type"] == "invalid-value"
        headers = {"content-type": "application/json"}
        answer = await world.alice.request("POST", f"{path}/runs", headers=headers, body=b"{broken")
        assert answered(answer, 400)["error"]["type"] == "invalid-input"
        assert (await world.alice.post(f"{path}/runs?build=none", status=403))["type"] == "unknown-build-tag"
        await world.alice.delete(f"/v2/actors/{actor}")
        assert (await world.alice.post(f"{path}/runs", status=404))["type"] == "record-not-found"
        assert (await world.alice.get(path))["stats"] == {"totalRuns": 0}
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0


async def test_a_start_may_wait_for_the_end() -> None:
    async with open_server() as world:
        path = await task_of(world)
        run = await world.alice.post(f"{path}/runs?")
        await world.reached(run["id"], RunStatus.RUNNING)
        await world.finished(run["id"])
        held = await world.alice.get(f"{path}/runs/last?waitForFinish=60")
        assert (held["id"], held["status"]) == (run["id"], "SUCCEEDED")


async def test_the_list_has_the_tasks_runs_alone() -> None:
    async with open_server() as world:
        actor = await world.actor()
        path, other = await task_of(world, actor), await task_of(world, actor)
        ids = []
        for _ in range(3):
            await world.clock.advance(1)
            ids.append((await world.alice.post(f"{path}/runs"))["id"])
            await world.alice.post(f"{other}/runs")
            await world.start(actor)
        await world.reached(ids[0], RunStatus.RUNNING)
        await world.finished(ids[0])
        page = await world.alice.get(f"{path}/runs")
        assert ([run["id"] for run in page["items"]], page["total"]) == (ids, 3)
        page = await world.alice.get(f"{path}/runs?desc=1&offset=1&limit=1")
        assert ([run["id"] for run in page["items"]], page["total"], page["count"]) == ([ids[1]], 3, 1)
        page = await world.alice.get(f"{path}/runs?status=SUCCEEDED,FAILED")
        assert [run["id"] for run in page["items"]] == ids[:1]
        assert (await world.alice.get(f"{path}/runs?status=DONE", status=400))["type"] == "invalid-value"


async def test_the_last_run_by_status_and_origin() -> None:
    async with open_server() as world:
        actor = await world.actor()
        path = await task_of(world, actor)
        assert (await world.alice.get(f"{path}/runs/last", status=404))["type"] == "record-not-found"
        first = await world.alice.post(f"{path}/runs")
        await world.reached(first["id"], RunStatus.RUNNING)
        await world.finished(first["id"])
        await world.clock.advance(1)
        headers = {"x-apify-request-origin": "CLI"}
        answer = await world.alice.request("POST", f"{path}/runs", headers=headers)
        second = answered(answer, 201)["data"]
        await world.clock.advance(1)
        await world.start(actor)
        for query, wanted in (
            ("", second),
            ("?status=SUCCEEDED", first),
            ("?status=SUCCEEDED,READY,RUNNING", second),
            ("?origin=API", first),
            ("?origin=CLI", second),
            ("?origin=CLI&status=SUCCEEDED", None),
            ("?origin=WEB", None),
        ):
            status = 404 if wanted is None else 200
            found = await world.alice.get(f"{path}/runs/last{query}", status=status)
            assert found.get("id") == (wanted and wanted["id"])


async def test_everything_below_the_last_run() -> None:
    async with open_server() as world:
        path = await task_of(world, input={"a": 1})
        old = await world.alice.post(f"{path}/runs")
        await world.reached(old["id"], RunStatus.RUNNING)
        await world.finished(old["id"])
        await world.clock.advance(1)
        run = await world.alice.post(f"{path}/runs")
        await world.reached(run["id"], RunStatus.RUNNING)
        last = f"{path}/runs/last"
        assert (await world.alice.get(f"{last}/dataset"))["id"] == run["defaultDatasetId"]
        assert (await world.alice.get(f"{last}/key-value-store"))["id"] == run["defaultKeyValueStoreId"]
        assert (await world.alice.get(f"{last}/request-queue"))["id"] == run["defaultRequestQueueId"]
        done = f"{last}/dataset?status=SUCCEEDED&origin=API"
        assert (await world.alice.get(done))["id"] == old["defaultDatasetId"]
        answered(await world.alice.request("POST", f"{last}/dataset/items", json=[{"n": 1}, {"n": 2}]), 201)
        items = await world.alice.request("GET", f"{last}/dataset/items?desc=1&limit=1")
        assert answered(items, 200) == [{"n": 2}]
        items = await world.alice.request("GET", f"{last}/dataset/items?status=SUCCEEDED")
        assert answered(items, 200) == []
        assert answered(await world.alice.request("GET", f"{last}/key-value-store/records/INPUT"), 200) == {"a": 1}
        assert (await world.alice.request("HEAD", f"{last}/key-value-store/records/INPUT")).status == 200
        request = {"url": "https://example.com", "uniqueKey": "https://example.com"}
        added = await world.alice.post(f"{last}/request-queue/requests", request)
        assert added["wasAlreadyPresent"] is False
        [head] = (await world.alice.get(f"{last}/request-queue/head"))["items"]
        assert head["id"] == added["requestId"]
        log = await world.alice.request("GET", f"{last}/log")
        assert f"Run {run['id']} of alice/hello".encode() in log.body
        rebooted = await world.alice.post(f"{last}/reboot", status=200)
        assert (rebooted["id"], rebooted["stats"]["rebootCount"]) == (run["id"], 1)
        aborted = await world.alice.post(f"{last}/abort", status=200)
        assert (aborted["id"], aborted["status"]) == (run["id"], "ABORTING")


async def test_a_task_takes_no_permission_level_from_its_caller() -> None:
    async with open_server() as world:
        path = await task_of(world)
        run = await world.alice.post(f"{path}/runs?forcePermissionLevel=FULL_PERMISSIONS")
        await world.reached(run["id"], RunStatus.RUNNING)
        environment = world.executor.spec(container_name(run["id"], 1)).env
        assert environment["ACTOR_PERMISSION_LEVEL"] == "LIMITED_PERMISSIONS"


async def test_the_last_run_of_a_task_is_rebooted_changed_and_ended_by_its_path() -> None:
    async with open_server() as world:
        path, other = await task_of(world), await world.actor("other")
        run = await world.alice.post(f"{path}/runs")
        await world.reached(run["id"], RunStatus.RUNNING)
        assert (await world.alice.post(f"{path}/runs/last/reboot", status=200))["id"] == run["id"]
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        changed = await world.alice.post(f"{path}/runs/last/metamorph?targetActorId={other}", {"a": 1}, status=200)
        assert (changed["metamorphs"][0]["actorId"], changed["actorTaskId"]) == (other, run["actorTaskId"])
        assert (await world.alice.get(f"{path}/runs/last"))["id"] == run["id"]
        assert (await world.alice.post(f"{path}/runs/last/abort?status=RUNNING", status=200))["id"] == run["id"]
        assert (await world.alice.get(f"{path}/runs"))["total"] == 1
