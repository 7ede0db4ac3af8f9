"""Tasks on every pairing: a story over the API, and what happens when several change one task at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from actorium.database import Tx
from actorium.kernel.errors import StaleWrite
from actorium.runs.lifecycle import RunStatus
from actorium.tasks import store
from actorium.tasks.errors import InputUpdateCollision
from server_world import ServerWorld, answered, open_server

pytestmark = pytest.mark.anyio


async def made(world: ServerWorld, **more: Any) -> str:
    """The path of a new task."""
    task = await world.alice.post("/v2/actor-tasks", {"actId": await world.actor()} | more)
    return f"/v2/actor-tasks/{task['id']}"


async def test_the_life_of_a_task(database: Any) -> None:
    async with open_server(database=database) as world:
        path = await made(world, name="nightly", input={"a": 1}, options={"memoryMbytes": 256})
        assert (await world.alice.put(path, {"title": "Nightly"}))["title"] == "Nightly"
        assert answered(await world.alice.request("PUT", f"{path}/input", json={"b": "é"}), 200) == {"a": 1, "b": "é"}
        run = await world.alice.post(f"{path}/runs", {"b": 2})
        assert run["options"]["memoryMbytes"] == 256
        await world.reached(run["id"], RunStatus.RUNNING)
        record = await world.alice.request("GET", f"{path}/runs/last/key-value-store/records/INPUT")
        assert record.json == {"a": 1, "b": 2}
        await world.finished(run["id"])
        assert (await world.alice.get(f"{path}/runs?status=SUCCEEDED"))["total"] == 1
        [listed] = (await world.alice.get("/v2/actor-tasks?desc=1"))["items"]
        assert (listed["actName"], listed["actUsername"], listed["stats"]) == ("hello", "alice", {"totalRuns": 1})
        await world.bob.get("/v2/actor-tasks/alice~nightly", status=404)
        await world.alice.delete("/v2/actor-tasks/~nightly")
        assert (await world.alice.get("/v2/actor-tasks"))["total"] == 0


async def test_changes_at_once_are_all_kept(database: Any) -> None:
    async with open_server(database=database) as world:
        path = await made(world)
        await asyncio.gather(
            *(world.alice.request("PUT", f"{path}/input", json={f"key-{n}": n}) for n in range(6)),
            *(world.alice.post(f"{path}/runs") for _ in range(4)),
        )
        assert answered(await world.alice.request("GET", f"{path}/input"), 200) == {f"key-{n}": n for n in range(6)}
        assert (await world.alice.get(path))["stats"] == {"totalRuns": 4}


async def test_a_name_is_had_by_one(database: Any) -> None:
    async with open_server(database=database) as world:
        actor = await world.actor()
        wanted = {"actId": actor, "name": "only-one"}
        answers = await asyncio.gather(*(world.alice.request("POST", "/v2/actor-tasks", json=wanted) for _ in range(6)))
        assert Counter(answer.status for answer in answers) == {201: 1, 409: 5}
        others = [await world.alice.post("/v2/actor-tasks", {"actId": actor}) for _ in range(4)]
        answers = await asyncio.gather(
            *(world.alice.request("PUT", f"/v2/actor-tasks/{task['id']}", json={"name": "another"}) for task in others)
        )
        assert Counter(answer.status for answer in answers) == {200: 1, 409: 3}


async def test_a_task_that_is_deleted_while_it_starts_starts_nothing(database: Any) -> None:
    async with open_server(database=database) as world:
        path = await made(world)
        count = world.features.actors.count_run_in
        task_id = path.rpartition("/")[2]

        def deleting(tx: Tx, *given: Any, **more: Any) -> None:
            row = store.find(tx, task_id)
            if row is not None:
                store.delete(tx, row)
            count(tx, *given, **more)

        world.features.actors.count_run_in = deleting  # type: ignore[method-assign]
        refused = await world.alice.post(f"{path}/runs", status=404)
        assert refused["type"] == "record-not-found"
        world.features.actors.count_run_in = count  # type: ignore[method-assign]
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0
        assert (await world.alice.get(path))["stats"] == {"totalRuns": 0}


async def test_a_collision_that_does_not_end_is_told(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_server(database=database) as world:
        path = await made(world, input={"a": 1})

        def beaten(tx: Tx, row: Any) -> Any:
            raise StaleWrite

        monkeypatch.setattr(store, "save", beaten)
        answer = await world.alice.request("PUT", f"{path}/input", json={"b": 1})
        assert answered(answer, 429)["error"]["type"] == InputUpdateCollision.type == "input-update-collision"
