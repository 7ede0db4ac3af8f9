"""Tasks over the API: made, found, listed, changed, deleted; and never seen by others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from apify_client._models import ListOfTasks, Task

from actorium.kernel.limits import TASKS_PER_USER_MAX
from actorium.tasks import service
from server_world import ServerWorld, answered, open_server

pytestmark = pytest.mark.anyio

EVERYTHING = {
    "name": "nightly",
    "title": "Nightly",
    "description": "Runs at night",
    "options": {
        "build": "latest",
        "timeoutSecs": 60,
        "memoryMbytes": 256,
        "maxItems": 100,
        "maxTotalChargeUsd": 1.5,
        "restartOnError": True,
    },
    "input": {"hello": "world", "nested": {"b": [1.0, None]}},
    "actorStandby": {
        "isEnabled": True,
        "desiredRequestsPerActorRun": 2,
        "maxRequestsPerActorRun": 3,
        "idleTimeoutSecs": 60,
        "build": "latest",
        "memoryMbytes": 512,
        "disableStandbyFieldsOverride": False,
        "shouldPassActorInput": True,
    },
    "publicConfig": {
        "seoTitle": "Nightly",
        "seoDescription": "Every night",
        "categorization": {"any": ["JSON"]},
        "inputSchemaFields": ["hello"],
        "datasetName": "default",
        "datasetView": "overview",
    },
}


async def made(world: ServerWorld, actor: str, **more: Any) -> dict[str, Any]:
    task: dict[str, Any] = await world.alice.post("/v2/actor-tasks", {"actId": actor} | more)
    return task


async def test_a_task_comes_back_as_it_was_made() -> None:
    async with open_server() as world:
        actor = await world.actor()
        answer = await world.alice.request("POST", "/v2/actor-tasks", json={"actId": actor} | EVERYTHING)
        task = answered(answer, 201)["data"]
        assert answer.headers["location"] == f"/v2/actor-tasks/{task['id']}"
        me = await world.alice.get("/v2/users/me")
        now = str(world.clock.now())
        assert task == EVERYTHING | {
            "id": task["id"],
            "actId": actor,
            "userId": me["id"],
            "username": "alice",
            "createdAt": now,
            "modifiedAt": now,
            "stats": {"totalRuns": 0},
            "isPublic": False,
            "publicConfig": EVERYTHING["publicConfig"] | {"publishedAt": None},  # type: ignore[operator]
        }
        Task.model_validate(task)
        for address in (task["id"], "~nightly", "alice~nightly", "ALICE~nightly"):
            assert await world.alice.get(f"/v2/actor-tasks/{address}") == task
        assert (await world.alice.request("HEAD", "/v2/actor-tasks/~nightly")).status == 200


async def test_a_task_may_be_nearly_nothing_and_name_its_actor() -> None:
    async with open_server() as world:
        actor = await world.actor()
        for address in (actor, "~hello", "alice~hello", "alice/hello"):
            task = await made(world, address)
            assert task["actId"] == actor
            assert task["name"] == f"task-{task['id']}"
            nothing = ("title", "description", "options", "input", "actorStandby", "publicConfig")
            assert {task[name] for name in nothing} == {None}
            Task.model_validate(task)


async def test_what_is_wrong_with_a_new_task() -> None:
    async with open_server() as world:
        actor, secret = await world.actor(), await world.actor("secret", client=world.bob)
        await made(world, actor, name="taken")
        for wanted, status, kind in (
            ({"name": "x"}, 400, "invalid-input"),
            ({"actId": actor, "name": "-no-"}, 400, "invalid-input"),
            ({"actId": actor, "name": ""}, 201, None),
            ({"actId": actor, "input": [1]}, 400, "invalid-input"),
            ({"actId": actor, "options": {"memoryMbytes": 100}}, 400, "invalid-value"),
            ({"actId": "nothing"}, 404, "record-not-found"),
            ({"actId": secret}, 404, "record-not-found"),
            ({"actId": "bob~secret"}, 404, "record-not-found"),
            ({"actId": actor, "name": "taken"}, 409, "actor-task-name-not-unique"),
        ):
            content = await world.alice.post("/v2/actor-tasks", wanted, status=status)
            assert content.get("type") == kind
        assert (await world.bob.post("/v2/actor-tasks", {"actId": secret, "name": "taken"}))["name"] == "taken"


async def test_there_is_a_highest_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert TASKS_PER_USER_MAX == 5000
    monkeypatch.setattr(service, "TASKS_PER_USER_MAX", 2)
    async with open_server() as world:
        actor = await world.actor()
        await made(world, actor)
        await made(world, actor)
        refused = await world.alice.post("/v2/actor-tasks", {"actId": actor}, status=403)
        assert refused["type"] == "too-many-actor-tasks"


async def test_the_list_shows_the_callers_own_by_creation() -> None:
    async with open_server() as world:
        actor = await world.actor()
        ids = []
        for name in ("one", "two", "three"):
            await world.clock.advance(1)
            ids.append((await made(world, actor, name=name, title=name.title(), input={"big": "x"}))["id"])
        await world.bob.post("/v2/actor-tasks", {"actId": await world.actor("other", client=world.bob)})
        page = await world.alice.get("/v2/actor-tasks")
        assert [item["id"] for item in page["items"]] == ids
        assert (page["total"], page["offset"], page["limit"], page["count"], page["desc"]) == (3, 0, 1000, 3, False)
        first = page["items"][0]
        assert (first["actName"], first["actUsername"], first["username"]) == ("hello", "alice", "alice")
        assert (first["title"], first["stats"]) == ("One", {"totalRuns": 0})
        assert "input" not in first
        ListOfTasks.model_validate(page)
        back = await world.alice.get("/v2/actor-tasks?desc=1&limit=1&offset=1")
        assert [item["name"] for item in back["items"]] == ["two"]
        await world.alice.delete(f"/v2/actors/{actor}")
        orphan = (await world.alice.get("/v2/actor-tasks?limit=1"))["items"][0]
        assert (orphan["actId"], orphan["actName"], orphan["actUsername"]) == (actor, None, None)


async def test_an_update_changes_what_is_given() -> None:
    async with open_server() as world:
        task = await made(world, await world.actor(), **EVERYTHING)
        path = f"/v2/actor-tasks/{task['id']}"
        await world.clock.advance(1)
        after = await world.alice.put(path, {"options": {"memoryMbytes": 512}, "title": None})
        assert after == task | {
            "options": task["options"] | {"memoryMbytes": 512},
            "title": None,
            "modifiedAt": str(world.clock.now()),
        }
        renamed = await world.alice.put(path, {"name": "weekly", "input": {"other": 1}})
        assert (renamed["name"], renamed["input"]) == ("weekly", {"other": 1})
        await world.alice.get("/v2/actor-tasks/~nightly", status=404)
        assert (await world.alice.put("/v2/actor-tasks/~weekly", {"name": "weekly", "input": None}))["input"] is None
        published = await world.alice.put(path, {"isPublic": True})
        assert (published["isPublic"], published["publicConfig"]["publishedAt"]) == (True, str(world.clock.now()))
        assert await world.alice.put(path, {"isPublic": False}) == renamed | {"input": None}


async def test_what_is_wrong_with_an_update() -> None:
    async with open_server() as world:
        actor = await world.actor()
        await made(world, actor, name="first")
        task = await made(world, actor, name="second")
        path = f"/v2/actor-tasks/{task['id']}"
        for change, status, kind in (
            ({"name": "first"}, 409, "actor-task-name-not-unique"),
            ({"name": "no name"}, 400, "invalid-input"),
            ({"name": None}, 400, "invalid-input"),
            ({"options": {"timeoutSecs": -1}}, 400, "invalid-value"),
            ({"input": "text"}, 400, "invalid-input"),
        ):
            assert (await world.alice.put(path, change, status=status))["type"] == kind
        assert (await world.alice.put("/v2/actor-tasks/nothing", {}, status=404))["type"] == "record-not-found"
        assert await world.alice.get(path) == task


async def test_the_input_is_raw_and_its_keys_are_put_over_it() -> None:
    async with open_server() as world:
        task = await made(world, await world.actor())
        path = f"/v2/actor-tasks/{task['id']}/input"
        assert answered(await world.alice.request("GET", path), 200) == {}
        answer = await world.alice.request("PUT", path, json={"a": 1, "b": {"x": 1}})
        assert answered(answer, 200) == {"a": 1, "b": {"x": 1}}
        assert answer.headers["content-type"].startswith("application/json")
        headers = {"content-type": "application/json"}
        answer = await world.alice.request("PUT", path, headers=headers, body=b'{"b": {"y" : 2.0}, "c":1e400}')
        assert answer.body == b'{"a":1,"b":{"y" : 2.0},"c":1e400}'
        assert (await world.alice.request("GET", path)).body == answer.body
        for wrong in (b"[1]", b"null", b"", b"{", b'"text"'):
            assert (await world.alice.request("PUT", path, headers=headers, body=wrong)).status == 400
        assert (await world.alice.request("GET", path)).body == answer.body


async def test_concurrent_updates_of_the_input_are_all_kept() -> None:
    async with open_server() as world:
        task = await made(world, await world.actor())
        path = f"/v2/actor-tasks/{task['id']}/input"
        await asyncio.gather(*(world.alice.request("PUT", path, json={f"key-{n}": n}) for n in range(20)))
        assert answered(await world.alice.request("GET", path), 200) == {f"key-{n}": n for n in range(20)}


async def test_deleting_is_final_and_leaves_the_runs() -> None:
    async with open_server() as world:
        task = await made(world, await world.actor(), name="short-lived")
        run = await world.alice.post(f"/v2/actor-tasks/{task['id']}/runs")
        await world.alice.delete("/v2/actor-tasks/~short-lived")
        for path in ("", "/input", "/runs", "/runs/last"):
            refused = await world.alice.get(f"/v2/actor-tasks/{task['id']}{path}", status=404)
            assert refused["type"] == "record-not-found"
        await world.alice.delete(f"/v2/actor-tasks/{task['id']}", status=404)
        assert (await world.alice.get(f"/v2/actor-runs/{run['id']}"))["actorTaskId"] == task["id"]
        assert (await made(world, task["actId"], name="short-lived"))["id"] != task["id"]


OPERATIONS = [
    ("GET", "", None),
    ("PUT", "", {"title": "mine"}),
    ("DELETE", "", None),
    ("GET", "/input", None),
    ("PUT", "/input", {"mine": True}),
    ("POST", "/runs", None),
    ("GET", "/runs", None),
    ("GET", "/runs/last", None),
    ("GET", "/runs/last/log", None),
    ("POST", "/runs/last/abort", None),
    ("GET", "/runs/last/dataset/items", None),
    ("PUT", "/runs/last/key-value-store/records/OUTPUT", None),
    ("GET", "/runs/last/request-queue/head", None),
]


@pytest.mark.parametrize(("method", "rest", "json"), OPERATIONS)
async def test_others_neither_see_nor_learn(method: str, rest: str, json: Any) -> None:
    async with open_server() as world:
        actor = await world.actor()
        task = await made(world, actor, name="private", isPublic=True)
        await world.alice.post(f"/v2/actor-tasks/{task['id']}/runs")
        before = await world.alice.get(f"/v2/actor-tasks/{task['id']}")
        errors = []
        for address in (task["id"], "alice~private", "~private", "alice~nothing", "nothing", "nobody~nothing"):
            answer = await world.bob.request(method, f"/v2/actor-tasks/{address}{rest}", json=json)
            errors.append(answered(answer, 404)["error"])
        assert {error["type"] for error in errors} == {"record-not-found"}
        assert len({error["message"] for error in errors}) == 1
        assert (await world.nobody.request(method, f"/v2/actor-tasks/{task['id']}{rest}", json=json)).status == 401
        assert await world.alice.get(f"/v2/actor-tasks/{task['id']}") == before
