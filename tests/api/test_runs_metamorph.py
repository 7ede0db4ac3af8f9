"""Metamorphing runs: the same run and storages, another Actor's build and input."""

from __future__ import annotations

from typing import Any

import pytest

from actorium.runs.lifecycle import RunStatus, container_name
from server_world import PATHS, ServerWorld, open_server

pytestmark = pytest.mark.anyio


async def metamorph(world: ServerWorld, run_id: str, target: str, input: Any = None, *, status: int = 200) -> Any:
    return await world.alice.post(f"/v2/actor-runs/{run_id}/metamorph?targetActorId={target}", input, status=status)


async def test_a_run_becomes_another_actor() -> None:
    async with open_server() as world:
        first, second = await world.actor("first"), await world.actor("second")
        run = await world.running(first, input={"a": 1}, timeout=100)
        await world.clock.advance(10)
        after = await metamorph(world, run["id"], "alice~second", {"b": 2})
        build = await world.alice.get(f"/v2/actors/{second}/builds/default")
        now = str(world.clock.now())
        assert after["metamorphs"] == [
            {"createdAt": now, "actorId": second, "buildId": build["id"], "inputKey": "INPUT-METAMORPH-1"}
        ]
        assert (after["status"], after["buildId"], after["stats"]["metamorph"]) == ("RUNNING", build["id"], 1)
        kept = ("id", "actId", "startedAt", "storageIds", "containerUrl", "options")
        assert {name: after[name] for name in kept} == {name: run[name] for name in kept}
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        env = world.executor.spec(container_name(run["id"], 2)).env
        assert (env["ACTOR_INPUT_KEY"], env["ACTOR_ID"], env["ACTOR_FULL_NAME"]) == (
            "INPUT-METAMORPH-1",
            second,
            "alice/second",
        )
        assert env["APIFY_TOKEN"] == world.features.tokens.token(run["id"], 1)
        assert env["ACTOR_TIMEOUT_AT"] == str(world.clock.now().plus(secs=90)), "the time limit keeps counting"
        store = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records"
        assert (await world.alice.request("GET", f"{store}/INPUT")).json == {"a": 1}
        assert (await world.alice.request("GET", f"{store}/INPUT-METAMORPH-1")).json == {"b": 2}
        assert (await world.alice.get(f"/v2/actors/{second}/runs/last", status=404))["type"] == "record-not-found"
        done = await world.finished(run["id"], 0, attempt=2)
        assert done["stats"]["rebootCount"] == 0
        assert "ACTOR.RUN.METAMORPHED" in await world.event_types(run["id"])


async def test_ten_times_and_no_more() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run = await world.running(actor)
        for count in range(1, 11):
            await metamorph(world, run["id"], actor)
            await world.reached(run["id"], RunStatus.RUNNING, attempt=count + 1)
        before = await world.row(run["id"])
        error = await metamorph(world, run["id"], actor, status=400)
        assert error["type"] == "max-metamorphs-exceeded"
        assert await world.row(run["id"]) == before


@pytest.mark.parametrize("status", sorted(PATHS))
async def test_only_a_running_run_metamorphs(status: RunStatus) -> None:
    async with open_server(loops=False) as world:
        actor = await world.actor()
        run = await world.start(actor)
        await world.bring(run["id"], status)
        before = await world.row(run["id"])
        if status is RunStatus.RUNNING:
            await metamorph(world, run["id"], actor)
            return
        error = await metamorph(world, run["id"], actor, {"a": 1}, status=403)
        assert error["type"] == "job-finished"
        assert ("has not started yet" if status is RunStatus.READY else "already finished") in error["message"]
        assert await world.row(run["id"]) == before


async def test_what_is_not_there_changes_nothing() -> None:
    async with open_server() as world:
        actor = await world.actor()
        hidden = await world.actor("hidden", client=world.bob)
        run = await world.running(actor)
        before = await world.row(run["id"])
        unknown = await metamorph(world, run["id"], "nosuchactor000000", status=404)
        assert await metamorph(world, run["id"], hidden, status=404) == unknown
        for build in ("nope", "9.9.9"):
            path = f"/v2/actor-runs/{run['id']}/metamorph?targetActorId={actor}&build={build}"
            assert (await world.alice.post(path, status=403))["message"]
        assert (await world.alice.post(f"/v2/actor-runs/{run['id']}/metamorph", status=400))["type"]
        assert (await metamorph(world, "nosuchrun00000000", actor, status=404))["type"] == "record-not-found"
        answer = await world.bob.post(f"/v2/actor-runs/{run['id']}/metamorph?targetActorId={hidden}", status=404)
        assert answer["type"] == "record-not-found"
        assert await world.row(run["id"]) == before


async def test_limited_permissions_are_not_left_by_a_metamorph() -> None:
    async with open_server() as world:
        limited = await world.actor("limited")
        full = await world.actor("full", actorPermissionLevel="FULL_PERMISSIONS")
        run = await world.running(limited)
        assert (await metamorph(world, run["id"], full, status=403))["type"] == "insufficient-permissions"
        other = await world.running(full)
        await metamorph(world, other["id"], limited)
        row = await world.row(other["id"])
        assert row.document.permission_level == "LIMITED_PERMISSIONS", "it is the limited Actor from now on"


async def test_last_run_and_old_paths_lead_there() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run = await world.running(actor)
        for attempt, path in enumerate((f"runs/{run['id']}/metamorph", "runs/last/metamorph"), start=2):
            after = await world.alice.post(f"/v2/actors/{actor}/{path}?targetActorId={actor}", status=200)
            assert after["stats"]["metamorph"] == attempt - 1
            await world.reached(run["id"], RunStatus.RUNNING, attempt=attempt)
