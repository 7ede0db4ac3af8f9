"""The seed page "Reboot run", property by property and status by status, on ``/v2/actor-runs/{runId}/reboot``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from actorium.kernel.limits import RATE_DEFAULT
from actorium.runs.lifecycle import RunStatus, container_name
from api.seed_checks import (
    NOTHING_CHARGED_YET,
    NULL_FOR_SOURCE_FILES,
    NULL_UNTIL_LATER,
    ONLY_PAY_PER_EVENT,
    check,
    error_of,
)
from api.seed_examples import PRICING as PRICING_EXAMPLES
from api.seed_properties import ERROR_STATUSES, RUN, Property
from server_world import ServerWorld, answered, measured, open_server
from world import Client

NULL = NULL_UNTIL_LATER | NULL_FOR_SOURCE_FILES
PRICE = {name: value for name, value in PRICING_EXAMPLES["PAY_PER_EVENT"].items() if not name.endswith("At")}


@dataclass(frozen=True)
class Replies:
    """The run that the reboot answered with, the same run once it had ended, and one of an Actor with a price."""

    before: dict[str, Any]
    rebooted: dict[str, Any]
    finished: dict[str, Any]
    priced: dict[str, Any]


@pytest.fixture(scope="module")
def replies() -> Replies:
    return asyncio.run(_replies())


async def _replies() -> Replies:
    async with open_server() as world:
        before, rebooted, finished = await _reboot(world, await world.actor("plain"))
        actor = await world.actor("priced")
        await world.price(actor, PRICE)
        *_, priced = await _reboot(world, actor)
        return Replies(before, rebooted, finished, priced)


async def _reboot(world: ServerWorld, actor: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    query = "maxItems=7&maxTotalChargeUsd=0.5&timeout=300&memory=512"
    agent = {"User-Agent": "a test"}
    answer = await world.alice.request("POST", f"/v2/acts/{actor}/runs?{query}", json={"a": 1}, headers=agent)
    run = answered(answer, 201)["data"]
    before = await world.reached(run["id"], RunStatus.RUNNING)
    await world.clock.advance(10)
    world.executor.measure(container_name(run["id"], 1), measured(world))
    await world.features.meter.tick()
    rebooted = await world.alice.post(f"/v2/actor-runs/{run['id']}/reboot", status=200)
    await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
    await world.clock.advance(5)
    more = {"mem_max_bytes": 40_000_000, "mem_avg_bytes": 35_000_000.5, "net_rx_bytes": 100}
    world.executor.measure(container_name(run["id"], 2), measured(world, **more))
    return before, rebooted, await world.finished(run["id"], attempt=2)


def path_of(value: object) -> str:
    return value.path if isinstance(value, Property) else str(value)


@pytest.mark.parametrize("wanted", RUN, ids=path_of)
def test_property_of_the_rebooted_run(replies: Replies, wanted: Property) -> None:
    null = NULL | {"finishedAt", "exitCode", "statusMessage", "isStatusMessageTerminal"}
    check(wanted, replies.rebooted, null=null, absent=ONLY_PAY_PER_EVENT | NOTHING_CHARGED_YET)


@pytest.mark.parametrize("wanted", RUN, ids=path_of)
def test_property_of_the_run_once_it_has_finished(replies: Replies, wanted: Property) -> None:
    null = NULL | {"isStatusMessageTerminal"}
    check(wanted, replies.finished, null=null, absent=ONLY_PAY_PER_EVENT | NOTHING_CHARGED_YET)


@pytest.mark.parametrize("wanted", RUN, ids=path_of)
def test_property_of_a_run_of_a_pay_per_event_actor(replies: Replies, wanted: Property) -> None:
    check(wanted, replies.priced, null=NULL | {"isStatusMessageTerminal"}, absent=NOTHING_CHARGED_YET)


KEPT = (
    *("id", "actId", "userId", "startedAt", "status", "meta", "options", "buildId", "buildNumber", "generalAccess"),
    *("defaultKeyValueStoreId", "defaultDatasetId", "defaultRequestQueueId", "storageIds", "containerUrl"),
)


@pytest.mark.parametrize("name", KEPT)
def test_a_reboot_keeps(replies: Replies, name: str) -> None:
    assert replies.rebooted[name] == replies.before[name]


def test_a_reboot_is_counted_and_is_no_other_kind_of_start(replies: Replies) -> None:
    counts = ("rebootCount", "restartCount", "migrationCount", "resurrectCount", "metamorph")
    assert [replies.before["stats"][name] for name in counts] == [0, 0, 0, 0, 0]
    assert [replies.rebooted["stats"][name] for name in counts] == [1, 0, 0, 0, 0]
    assert [replies.finished["stats"][name] for name in counts] == [1, 0, 0, 0, 0]


def test_both_attempts_are_in_the_figures(replies: Replies) -> None:
    stats = replies.finished["stats"]
    assert (stats["durationMillis"], stats["runTimeSecs"]) == (15_000, 15)
    assert stats["memMaxBytes"] == 40_000_000
    assert stats["memAvgBytes"] == pytest.approx((10 * 20_000_000.5 + 5 * 35_000_000.5) / 15)
    assert stats["memCurrentBytes"] == 0
    assert stats["netRxBytes"] == 5_100
    assert stats["computeUnits"] == pytest.approx(15 / 3600 / 2)
    assert replies.finished["status"] == "SUCCEEDED"
    assert replies.finished["exitCode"] == 0


@asynccontextmanager
async def a_running_run(**settings: Any) -> AsyncIterator[tuple[ServerWorld, str, str]]:
    async with open_server(**settings) as world:
        run = await world.running(await world.actor(), timeout=60)
        yield world, run["id"], f"/v2/actor-runs/{run['id']}/reboot"


@pytest.mark.anyio
async def test_the_old_container_is_dead_before_the_new_one_starts() -> None:
    async with a_running_run() as (world, run_id, path):
        await world.alice.post(path, status=200)
        await world.reached(run_id, RunStatus.RUNNING, attempt=2)
        first, second = container_name(run_id, 1), container_name(run_id, 2)
        calls = [call for call in world.executor.calls if call[1] in (first, second)]
        assert calls.index(("kill", first)) < calls.index(("start", second))


@pytest.mark.anyio
async def test_the_new_process_has_the_same_token_storages_and_deadline() -> None:
    async with a_running_run() as (world, run_id, path):
        await world.clock.advance(20)
        before = world.executor.spec(container_name(run_id, 1))
        await world.alice.post(path, status=200)
        await world.reached(run_id, RunStatus.RUNNING, attempt=2)
        after = world.executor.spec(container_name(run_id, 2))
        assert dict(after.env) == dict(before.env)
        assert (before.deadline, before.timeout_secs) == (None, 60)
        assert (after.deadline, after.timeout_secs) == (world.clock.now().plus(secs=40), None)
        await world.clock.advance(40)
        run = await world.reached(run_id, RunStatus.TIMED_OUT, attempt=2)
        assert run["stats"]["durationMillis"] == 60_000
        assert run["statusMessage"] == "Actor timed out after 60 seconds"


@pytest.mark.anyio
async def test_a_web_server_has_to_become_ready_again() -> None:
    async with a_running_run() as (world, run_id, path):
        world.executor.answering.add(container_name(run_id, 1))
        await world.until(run_id, lambda run: run["isContainerServerReady"] is True)
        assert (await world.alice.post(path, status=200))["isContainerServerReady"] is False


async def error_of_call(client: Client, path: str, *, status: int, method: str = "POST") -> tuple[str, str]:
    assert status in ERROR_STATUSES
    answer = await client.request(method, path)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return error_of(answered(answer, status))


@pytest.mark.anyio
async def test_status_400_for_a_request_that_cannot_be_read() -> None:
    async with a_running_run() as (world, run_id, path):
        kind, message = await error_of_call(world.alice, f"{path}?token=%00", status=400)
        assert kind == "invalid-parameter"
        assert "token" in message
        assert (await world.alice.get(f"/v2/actor-runs/{run_id}"))["stats"]["rebootCount"] == 0


@pytest.mark.anyio
async def test_status_401_without_a_token_and_with_an_unknown_one() -> None:
    async with a_running_run() as (world, _, path):
        assert (await error_of_call(world.nobody, path, status=401))[0] == "token-not-provided"
        stranger = Client(world.app, token="actorium_api_of_nobody_at_all")
        assert (await error_of_call(stranger, path, status=401))[0] == "user-or-token-not-found"


@pytest.mark.anyio
async def test_status_403_for_a_run_that_may_be_seen_and_not_touched() -> None:
    async with a_running_run() as (world, run_id, path):
        await world.alice.put(f"/v2/actor-runs/{run_id}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        assert (await error_of_call(world.bob, path, status=403))[0] == "insufficient-permissions"
        assert (await world.alice.get(f"/v2/actor-runs/{run_id}"))["stats"]["rebootCount"] == 0


@pytest.mark.anyio
async def test_status_404_for_what_is_not_there_or_not_this_callers() -> None:
    async with a_running_run() as (world, _, path):
        gone = "/v2/actor-runs/unknownunknownabc/reboot"
        assert await error_of_call(world.alice, gone, status=404) == ("record-not-found", "Actor run was not found.")
        assert (await error_of_call(world.bob, path, status=404))[0] == "record-not-found"


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_status_405_names_this_routes_own_methods(method: str) -> None:
    async with a_running_run() as (world, _, path):
        kind, message = await error_of_call(world.alice, path, status=405, method=method)
        assert kind == "method-not-allowed"
        assert message == "This API end-point can only be accessed using the following HTTP methods: OPTIONS,POST"


@pytest.mark.anyio
async def test_status_429_from_the_real_limiter() -> None:
    async with a_running_run(rate_limit_scale=1.0) as (world, run_id, path):
        await world.clock.advance(1)
        for _ in range(RATE_DEFAULT):
            answer = await world.alice.request("POST", path)
            assert answer.headers["x-ratelimit-limit"] == str(RATE_DEFAULT)
            assert answer.status == 200
        answer = await world.alice.request("POST", path)
        assert error_of(answered(answer, 429))[0] == "rate-limit-exceeded"
        assert answer.headers["x-ratelimit-limit"] == str(RATE_DEFAULT)
        await world.clock.advance(1)
        run = await world.alice.post(path, status=200)
        assert run["stats"]["rebootCount"] == RATE_DEFAULT + 1
        await world.reached(run_id, RunStatus.RUNNING, attempt=RATE_DEFAULT + 2)
