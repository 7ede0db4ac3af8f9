"""What may be done to a run in which status, waiting for its end, its status message, its token and its deletion."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from apify_client._models import Run

from actorium.executors import Cause
from actorium.kernel.limits import GRACEFUL_ABORT_SECS, RUN_TOKEN_GRACE_SECS, STATUS_MESSAGE_CHARS_MAX
from actorium.runs.lifecycle import TERMINAL, RunStatus, container_name
from server_world import ServerWorld, open_server
from world import Client

pytestmark = pytest.mark.anyio

ABORTABLE = (RunStatus.READY, RunStatus.RUNNING, RunStatus.TIMING_OUT)


def changing(run: dict[str, Any]) -> dict[str, Any]:
    """A run object without what time alone changes."""
    return run | {"stats": None, "usage": None, "usageUsd": None, "usageTotalUsd": None}


async def brought(world: ServerWorld, status: RunStatus) -> tuple[str, dict[str, Any]]:
    """A run in a status, and its run object."""
    run = await world.start(await world.actor())
    await world.bring(run["id"], status)
    return run["id"], await world.alice.get(f"/v2/actor-runs/{run['id']}")


@pytest.mark.parametrize("gracefully", [False, True])
@pytest.mark.parametrize("status", RunStatus)
async def test_abort_in_every_status(status: RunStatus, gracefully: bool) -> None:
    async with open_server(loops=False) as world:
        run_id, before = await brought(world, status)
        assert before["status"] == status
        await world.clock.advance(1)
        after = await world.alice.post(f"/v2/actor-runs/{run_id}/abort?gracefully={int(gracefully)}", status=200)
        Run.model_validate(after)
        if status in ABORTABLE:
            assert after["status"] == "ABORTING"
            row = await world.row(run_id)
            assert row.life.is_graceful is gracefully
            assert row.life.kill_at == world.clock.now().plus(secs=GRACEFUL_ABORT_SECS if gracefully else 0)
        else:
            assert changing(after) == changing(before)


@pytest.mark.parametrize("status", RunStatus)
async def test_reboot_in_every_status(status: RunStatus) -> None:
    async with open_server(loops=False) as world:
        run_id, before = await brought(world, status)
        path = f"/v2/actor-runs/{run_id}/reboot"
        if status is RunStatus.RUNNING:
            after = await world.alice.post(path, status=200)
            Run.model_validate(after)
            assert (after["status"], after["stats"]["rebootCount"]) == ("RUNNING", 1)
            return
        error = await world.alice.post(path, status=403)
        assert error["type"] == "job-finished"
        assert status in error["message"]
        assert ("has not started yet" if status is RunStatus.READY else "already finished") in error["message"]
        assert changing(await world.alice.get(f"/v2/actor-runs/{run_id}")) == changing(before)


@pytest.mark.parametrize("status", RunStatus)
async def test_delete_in_every_status(status: RunStatus) -> None:
    async with open_server(loops=False) as world:
        run_id, run = await brought(world, status)
        await world.alice.put(f"/v2/actor-runs/{run_id}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        assert (await world.bob.delete(f"/v2/actor-runs/{run_id}", status=403))["type"] == "insufficient-permissions"
        if status not in TERMINAL:
            error = await world.alice.delete(f"/v2/actor-runs/{run_id}", status=400)
            assert error["type"] == "cannot-remove-running-run"
            return
        await world.alice.delete(f"/v2/actor-runs/{run_id}")
        gone = (
            f"actor-runs/{run_id}",
            f"logs/{run_id}",
            f"datasets/{run['defaultDatasetId']}",
            f"key-value-stores/{run['defaultKeyValueStoreId']}",
            f"request-queues/{run['defaultRequestQueueId']}",
        )
        for path in gone:
            assert (await world.alice.get(f"/v2/{path}", status=404))["type"] == "record-not-found"
        await world.alice.delete(f"/v2/actor-runs/{run_id}", status=404)


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        (0, "SUCCEEDED", "Actor succeeded with exit code 0"),
        (1, "FAILED", "Actor failed with exit code 1"),
        (91, "FAILED", "Actor failed with exit code 91"),
        (None, "FAILED", "Actor run failed: its process was killed by a signal"),
    ],
)
async def test_an_exit_code_decides_the_status(code: int | None, status: str, message: str) -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        ended = await world.finished(run["id"], code)
        assert (ended["status"], ended["exitCode"]) == (status, code)
        assert (ended["statusMessage"], ended["isStatusMessageTerminal"]) == (message, None)


async def test_a_time_limit_ends_a_run_and_says_so() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor(), timeout=5)
        await world.clock.advance(5)
        ended = await world.reached(run["id"], RunStatus.TIMED_OUT)
        assert (ended["exitCode"], ended["statusMessage"]) == (None, "Actor timed out after 5 seconds")
        assert ended["finishedAt"] == "2026-01-01T00:00:05.000Z"


async def test_a_run_that_cannot_start_fails_with_the_reason() -> None:
    async with open_server() as world:
        run = await world.start(await world.actor())
        world.executor.faults.not_started.add(container_name(run["id"], 1))
        ended = await world.reached(run["id"], *TERMINAL)
        assert (ended["status"], ended["exitCode"]) == ("FAILED", None)
        assert "told not to start" in ended["statusMessage"]
        assert ended["stats"]["durationMillis"] == 0


@pytest.mark.parametrize("how", ["get", "start"])
async def test_waiting_is_held_and_wakes_at_once_when_the_run_ends(how: str) -> None:
    async with open_server() as world:
        actor = await world.actor()
        drawn = world.views_drawn()
        if how == "start":
            path, method = f"/v2/actors/{actor}/runs?waitForFinish=999999", "POST"
            held = asyncio.ensure_future(world.alice.request(method, path))
            name, _ = await anext(world.executor.watch())
        else:
            name = container_name((await world.running(actor))["id"], 1)
            path, method = f"/v2/actor-runs/{name.removesuffix('-1')}?waitForFinish=60", "GET"
            held = asyncio.ensure_future(world.alice.request(method, path))
        await world.reached(name.removesuffix("-1"), RunStatus.RUNNING)
        await world.clock.advance(0)
        before = len(drawn)
        run_id = name.removesuffix("-1")
        for number in range(3):  # what a run says of itself on its way
            await world.alice.put(f"/v2/actor-runs/{run_id}", {"statusMessage": f"Step {number}"})
        await asyncio.sleep(0.3)  # the time in which a poll would show
        assert not held.done()
        assert len(drawn) == before + 3, "one for each answer to an update, none for who waits"
        world.executor.exit(name, 0)
        async with asyncio.timeout(1):
            answer = await held
        assert answer.json["data"]["status"] == "SUCCEEDED"


async def test_waiting_ends_with_the_time_and_the_run_as_it_then_is() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        for secs in ("0", "0.05", "-1", ""):
            async with asyncio.timeout(5):
                shown = await world.alice.get(f"/v2/actor-runs/{run['id']}?waitForFinish={secs}")
            assert shown["status"] == "RUNNING"


async def test_a_caller_that_leaves_while_it_waits_leaves_nothing_behind() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        held = asyncio.ensure_future(world.alice.request("GET", f"/v2/actor-runs/{run['id']}?waitForFinish=60"))
        await world.clock.advance(0)
        assert world.is_watched(run["id"])
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        assert not world.is_watched(run["id"])


async def test_a_status_message_is_kept_and_shown_also_after_the_end() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        path = f"/v2/actor-runs/{run['id']}"
        inside = Client(world.app, token=world.features.tokens.token(run["id"]))
        said = await inside.put(path, {"runId": run["id"], "statusMessage": "Half way", "level": "INFO"})
        assert (said["statusMessage"], said["isStatusMessageTerminal"]) == ("Half way", None)
        said = await inside.put(path, {"isStatusMessageTerminal": False})
        assert (said["statusMessage"], said["isStatusMessageTerminal"]) == ("Half way", False)
        ended = await world.finished(run["id"], 1)
        assert (ended["status"], ended["statusMessage"]) == ("FAILED", "Half way")
        late = await inside.put(path, {"statusMessage": "Goodbye", "isStatusMessageTerminal": True})
        assert (late["statusMessage"], late["isStatusMessageTerminal"]) == ("Goodbye", True)
        assert (await world.alice.get(path))["statusMessage"] == "Goodbye"
        assert (await world.alice.put(path, {"statusMessage": None}))["statusMessage"] is None
        long = "x" * (STATUS_MESSAGE_CHARS_MAX + 1)
        assert (await world.alice.put(path, {"statusMessage": long}))["statusMessage"] == long[:-1]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"statusMessage": 7}, "statusMessage"),
        ({"isStatusMessageTerminal": "yes"}, "isStatusMessageTerminal"),
        ({"generalAccess": "EVERYBODY"}, "generalAccess"),
        ({"generalAccess": "ANYONE_WITH_NAME_CAN_READ"}, "generalAccess"),  # a run has no name
        ([], "object"),
    ],
)
async def test_a_wrong_change_is_a_400_that_names_the_field(body: Any, word: str) -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        error = await world.alice.put(f"/v2/actor-runs/{run['id']}", body, status=400)
        assert error["type"] == "invalid-input"
        assert word in error["message"]


async def test_another_users_run_is_not_there() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        path = f"/v2/actor-runs/{run['id']}"
        assert (await world.bob.get(path, status=404))["type"] == "record-not-found"
        assert (await world.nobody.get(path, status=404))["type"] == "record-not-found"
        for method, rest in (("PUT", ""), ("DELETE", ""), ("POST", "/abort"), ("POST", "/reboot"), ("GET", "/log")):
            error = await world.bob.call(method, path + rest, json={} if method == "PUT" else None, status=404)
            assert error["type"] == "record-not-found"
        assert (await world.bob.get("/v2/actor-runs"))["total"] == 0
        for access in ("RESTRICTED", "FOLLOW_USER_SETTING"):
            await world.alice.put(path, {"generalAccess": access})
            await world.bob.get(path, status=404)
        await world.alice.put(path, {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        shown = await world.nobody.get(path)
        assert not {"usageTotalUsd", "usageUsd"} & set(shown)
        assert (await world.nobody.request("GET", f"{path}/log")).status == 200


async def test_the_runs_token_is_its_owner_until_shortly_after_the_end() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        token = world.executor.spec(container_name(run["id"], 1)).env["APIFY_TOKEN"]
        inside = Client(world.app, token=token)
        assert (await inside.get("/v2/users/me"))["id"] == run["userId"]
        assert (await inside.get(f"/v2/actor-runs/{run['id']}"))["id"] == run["id"]
        await world.finished(run["id"])
        await world.clock.advance(RUN_TOKEN_GRACE_SECS)
        await inside.get(f"/v2/actor-runs/{run['id']}")
        await world.clock.advance(0.001)
        error = await inside.get(f"/v2/actor-runs/{run['id']}", status=401)
        assert error["type"] == "user-or-token-not-found"
        forged = Client(world.app, token=token[:-1] + ("0" if token[-1] != "0" else "1"))
        await forged.get("/v2/users/me", status=401)


async def test_what_a_run_does_is_counted_as_its_usage_and_what_people_do_is_not() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        inside = Client(world.app, token=world.features.tokens.token(run["id"]))
        for client in (inside, world.alice):
            items, records = (
                f"/v2/actor-runs/{run['id']}/{one}" for one in ("dataset/items", "key-value-store/records")
            )
            assert (await client.request("POST", items, json=[{"n": 1}, {"n": 2}])).status == 201
            assert (await client.request("GET", items)).json == [{"n": 1}, {"n": 2}] * (1 + (client is world.alice))
            assert (await client.request("PUT", f"{records}/A", json={"a": 1})).status == 201
        await world.features.meter.tick()
        usage = (await world.alice.get(f"/v2/actor-runs/{run['id']}"))["usage"]
        assert usage["DATASET_WRITES"] == 2
        assert usage["DATASET_READS"] == 2
        assert usage["KEY_VALUE_STORE_WRITES"] == 1
        assert usage["KEY_VALUE_STORE_READS"] == 0
        assert usage["REQUEST_QUEUE_WRITES"] == 0


async def test_the_end_of_a_run_shows_all_that_it_did() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        inside = Client(world.app, token=world.features.tokens.token(run["id"]))
        await inside.request("POST", f"/v2/actor-runs/{run['id']}/dataset/items", json=[{"n": 1}, {"n": 2}])
        ended = await world.finished(run["id"])
        assert ended["usage"]["DATASET_WRITES"] == 2
        await world.features.meter.tick()
        assert (await world.alice.get(f"/v2/actor-runs/{run['id']}"))["usage"]["DATASET_WRITES"] == 2


async def test_runs_beyond_the_capacity_wait_and_the_oldest_goes_first() -> None:
    async with open_server(concurrent_runs=1) as world:
        actor = await world.actor()
        first = await world.running(actor)
        second = await world.start(actor)
        await world.clock.advance(1)
        third = await world.start(actor)
        aborted = await world.alice.post(f"/v2/actor-runs/{second['id']}/abort", status=200)
        assert aborted["status"] == "ABORTING"
        ended = await world.reached(second["id"], RunStatus.ABORTED)
        assert (ended["exitCode"], ended["stats"]["durationMillis"]) == (None, 0)
        assert (await world.alice.get(f"/v2/actor-runs/{third['id']}"))["status"] == "READY"
        await world.finished(first["id"])
        await world.reached(third["id"], RunStatus.RUNNING)
        assert ("start", container_name(second["id"], 1)) not in world.executor.calls


async def test_an_abort_while_a_reboot_waits_for_the_old_container_wins() -> None:
    async with open_server(loops=False) as world:
        run_id, _ = await brought(world, RunStatus.RUNNING)
        await world.alice.post(f"/v2/actor-runs/{run_id}/reboot", status=200)
        await world.alice.post(f"/v2/actor-runs/{run_id}/abort", status=200)
        error = await world.alice.post(f"/v2/actor-runs/{run_id}/reboot", status=403)
        assert error["type"] == "job-finished"


@pytest.mark.parametrize(
    ("cause", "word"), [(Cause.OUT_OF_MEMORY, "memory"), (Cause.OUT_OF_DISK, "disk"), (Cause.VANISHED, "lost")]
)
async def test_the_message_says_why_a_container_ended(cause: Cause, word: str) -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        world.executor.exit(container_name(run["id"], 1), None, cause=cause)
        ended = await world.reached(run["id"], *TERMINAL)
        assert ended["status"] == "FAILED"
        assert word in ended["statusMessage"]


async def test_a_server_that_stops_right_after_a_decision_leaves_nothing_unawaited() -> None:
    async with open_server() as world:
        await world.start(await world.actor())
        await world.work._supervisor._tick()
        await world.features.background.close()
        gc.collect()
