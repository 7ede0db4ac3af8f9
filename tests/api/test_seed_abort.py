"""The seed page "Abort run", property by property, on ``/v2/acts/{actorId}/runs/{runId}/abort``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from actorium.kernel.limits import GRACEFUL_ABORT_SECS, RATE_DEFAULT
from actorium.runs.lifecycle import RunStatus, container_name
from api.seed_checks import (
    NOTHING_CHARGED_YET,
    NULL_FOR_SOURCE_FILES,
    NULL_UNTIL_LATER,
    ONLY_PAY_PER_EVENT,
    check,
    error_of,
    fits,
    found,
)
from api.seed_examples import PRICING as PRICING_EXAMPLES
from api.seed_properties import ERROR_STATUSES, PRICING, RUN, Property
from server_world import ServerWorld, answered, measured, open_server
from world import Client

AGENT = "ApifyClient/3.4.0 (linux; Python/3.11.1); isAtHome/False"
PRICE = {name: value for name, value in PRICING_EXAMPLES["PAY_PER_EVENT"].items() if not name.endswith("At")}


@dataclass(frozen=True)
class Replies:
    """What the endpoint answered: at the moment of the abort, about the run once it had ended, and both priced."""

    aborting: dict[str, Any]
    aborted: dict[str, Any]
    priced: dict[str, Any]


@pytest.fixture(scope="module")
def replies() -> Replies:
    return asyncio.run(_replies())


async def _replies() -> Replies:
    async with open_server() as world:
        aborting, aborted = await _abort(world, await world.actor("plain"))
        priced = await world.actor("priced")
        await world.price(priced, PRICE)
        _, paid = await _abort(world, priced)
        return Replies(aborting, aborted, paid)


async def _abort(world: ServerWorld, actor: str) -> tuple[dict[str, Any], dict[str, Any]]:
    started = await world.alice.request(
        "POST",
        f"/v2/acts/{actor}/runs?maxItems=1000&maxTotalChargeUsd=5&memory=1024&timeout=300",
        json={"start": True},
        headers={"User-Agent": AGENT},
    )
    run_id = answered(started, 201)["data"]["id"]
    await world.reached(run_id, RunStatus.RUNNING)
    await world.clock.advance(26.239)
    world.executor.measure(container_name(run_id, 1), measured(world))
    path = f"/v2/acts/{actor}/runs/{run_id}/abort"
    aborting = await world.alice.post(path, status=200)
    await world.reached(run_id, RunStatus.ABORTED)
    return aborting, await world.alice.post(path, status=200)


def path_of(value: object) -> str:
    return value.path if isinstance(value, Property) else str(value)


@pytest.mark.parametrize("wanted", RUN, ids=path_of)
def test_property_of_an_aborted_run(replies: Replies, wanted: Property) -> None:
    null = NULL_UNTIL_LATER | NULL_FOR_SOURCE_FILES | {"exitCode"}
    check(wanted, replies.aborted, null=null, absent=ONLY_PAY_PER_EVENT | NOTHING_CHARGED_YET)


@pytest.mark.parametrize("wanted", RUN, ids=path_of)
def test_property_of_a_run_that_is_being_aborted(replies: Replies, wanted: Property) -> None:
    null = NULL_UNTIL_LATER | NULL_FOR_SOURCE_FILES
    null |= {"exitCode", "finishedAt", "statusMessage", "isStatusMessageTerminal"}
    check(wanted, replies.aborting, null=null, absent=ONLY_PAY_PER_EVENT | NOTHING_CHARGED_YET | UNMEASURED)


UNMEASURED = {
    *(f"stats.{name}" for name in ("memAvgBytes", "memMaxBytes", "memCurrentBytes", "netRxBytes", "netTxBytes")),
    *(f"stats.{name}" for name in ("cpuAvgUsage", "cpuMaxUsage", "cpuCurrentUsage")),
    *(f"{usage}.DATA_TRANSFER_{kind}_GBYTES" for usage in ("usage", "usageUsd") for kind in ("INTERNAL", "EXTERNAL")),
}
"""No measurement has been taken in yet when the abort is answered; its values are absent and never 0."""


@pytest.mark.parametrize("wanted", RUN, ids=path_of)
def test_property_of_a_run_of_a_pay_per_event_actor(replies: Replies, wanted: Property) -> None:
    null = NULL_UNTIL_LATER | NULL_FOR_SOURCE_FILES | {"exitCode"}
    check(wanted, replies.priced, null=null, absent=NOTHING_CHARGED_YET)


@pytest.mark.parametrize("wanted", PRICING["PAY_PER_EVENT"], ids=path_of)
def test_property_of_its_pricing(replies: Replies, wanted: Property) -> None:
    values = found(replies.priced["pricingInfo"], wanted.path)
    assert values or wanted.nullable
    assert all(fits(wanted, value) for value in values)


def test_the_values_are_those_of_this_run(replies: Replies) -> None:
    run = replies.aborted
    assert run["status"] == "ABORTED"
    assert run["statusMessage"] == "Actor was aborted"
    assert run["isStatusMessageTerminal"] is True
    assert run["exitCode"] is None
    assert run["startedAt"] == "2026-01-01T00:00:00.000Z"
    assert run["finishedAt"] == "2026-01-01T00:00:26.239Z"
    assert run["meta"] == {
        "origin": "API",
        "clientIp": "127.0.0.1",
        "userAgent": AGENT,
        "scheduleId": None,
        "scheduledAt": None,
    }
    assert run["options"] == {
        "build": "latest",
        "timeoutSecs": 300,
        "memoryMbytes": 1024,
        "diskMbytes": 2048,
        "maxItems": 1000,
        "maxTotalChargeUsd": 5,
    }
    assert run["buildNumber"] == "0.1.1"
    assert run["generalAccess"] == "FOLLOW_USER_SETTING"
    assert run["isContainerServerReady"] is False
    assert run["storageIds"] == {
        "datasets": {"default": run["defaultDatasetId"]},
        "keyValueStores": {"default": run["defaultKeyValueStoreId"]},
        "requestQueues": {"default": run["defaultRequestQueueId"]},
    }
    assert len({run["id"], run["actId"], run["userId"], run["buildId"], *run["storageIds"]["datasets"].values()}) == 5
    assert replies.priced["chargedEventCounts"] == {}


def test_the_figures_are_those_that_were_measured(replies: Replies) -> None:
    run = replies.aborted
    assert run["stats"] == {
        "inputBodyLen": len(b'{"start":true}'),
        "migrationCount": 0,
        "rebootCount": 0,
        "restartCount": 0,
        "resurrectCount": 0,
        "memAvgBytes": 20_000_000.5,
        "memMaxBytes": 30_000_000,
        "memCurrentBytes": 0,
        "cpuAvgUsage": 12.5,
        "cpuMaxUsage": 99.5,
        "cpuCurrentUsage": 0,
        "netRxBytes": 5_000,
        "netTxBytes": 3_000,
        "durationMillis": 26_239,
        "runTimeSecs": 26.239,
        "metamorph": 0,
        "computeUnits": 27 / 3600,
    }
    assert run["usage"]["ACTOR_COMPUTE_UNITS"] == 27 / 3600
    assert run["usage"]["DATA_TRANSFER_INTERNAL_GBYTES"] == 1_500 / 1e9
    assert run["usage"]["DATA_TRANSFER_EXTERNAL_GBYTES"] == 6_500 / 1e9
    assert run["usageUsd"]["ACTOR_COMPUTE_UNITS"] == pytest.approx(27 / 3600 * 0.2)
    paid = sum(value for value in run["usageUsd"].values() if value is not None)
    assert run["usageTotalUsd"] == pytest.approx(paid)


@asynccontextmanager
async def a_running_run(**settings: Any) -> AsyncIterator[tuple[ServerWorld, str, str]]:
    async with open_server(**settings) as world:
        actor = await world.actor()
        run = await world.running(actor)
        yield world, run["id"], f"/v2/acts/{actor}/runs/{run['id']}/abort"


@pytest.mark.anyio
@pytest.mark.parametrize("truth", ["true", "1", "TRUE"])
async def test_gracefully_gives_thirty_seconds(truth: str) -> None:
    async with a_running_run() as (world, run_id, path):
        run = await world.alice.post(f"{path}?gracefully={truth}", status=200)
        assert run["status"] == "ABORTING"
        await world.clock.advance(GRACEFUL_ABORT_SECS - 0.001)
        assert (await world.alice.get(f"/v2/actor-runs/{run_id}"))["status"] == "ABORTING"
        assert ("kill", container_name(run_id, 1)) not in world.executor.calls
        await world.clock.advance(0.001)
        assert (await world.reached(run_id, RunStatus.ABORTED))["exitCode"] is None
        assert ("kill", container_name(run_id, 1)) in world.executor.calls


@pytest.mark.anyio
async def test_an_actor_that_leaves_by_itself_ends_earlier_and_aborted() -> None:
    async with a_running_run() as (world, run_id, path):
        await world.alice.post(f"{path}?gracefully=true", status=200)
        run = await world.finished(run_id, 0)
        assert (run["status"], run["exitCode"]) == ("ABORTED", 0)
        assert run["statusMessage"] == "Actor was aborted"
        assert run["isStatusMessageTerminal"] is True
        assert not [call for call in world.executor.calls if call[0] == "kill"]


@pytest.mark.anyio
async def test_a_message_that_the_actor_set_stays() -> None:
    async with a_running_run() as (world, run_id, path):
        await world.alice.put(f"/v2/actor-runs/{run_id}", {"statusMessage": "Half way"})
        await world.alice.post(path, status=200)
        run = await world.reached(run_id, RunStatus.ABORTED)
        assert (run["statusMessage"], run["isStatusMessageTerminal"]) == ("Half way", None)


async def error_of_call(client: Client, path: str, *, status: int, method: str = "POST") -> tuple[str, str]:
    assert status in ERROR_STATUSES
    answer = await client.request(method, path)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return error_of(answered(answer, status))


@pytest.mark.anyio
async def test_status_400_names_the_parameter_and_what_it_takes() -> None:
    async with a_running_run() as (world, _, path):
        kind, message = await error_of_call(world.alice, f"{path}?gracefully=maybe", status=400)
        assert kind == "invalid-parameter"
        assert "gracefully" in message
        assert "maybe" in message
        assert "true" in message


@pytest.mark.anyio
async def test_status_401_without_a_token_and_with_an_unknown_one() -> None:
    async with a_running_run() as (world, _, path):
        assert (await error_of_call(world.nobody, path, status=401))[0] == "token-not-provided"
        stranger = Client(world.app, token="actorium_api_of_nobody_at_all")
        assert (await error_of_call(stranger, path, status=401))[0] == "user-or-token-not-found"
        assert (await error_of_call(world.nobody, f"{path}?token=unknown", status=401))[0] == "user-or-token-not-found"


@pytest.mark.anyio
async def test_status_403_for_a_run_that_may_be_seen_and_not_touched() -> None:
    async with a_running_run() as (world, run_id, path):
        await world.alice.put(f"/v2/actor-runs/{run_id}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        shared = f"/v2/actor-runs/{run_id}/abort"
        assert (await world.bob.get(f"/v2/actor-runs/{run_id}"))["status"] == "RUNNING"
        assert (await error_of_call(world.bob, shared, status=403))[0] == "insufficient-permissions"
        assert (await error_of_call(world.bob, path, status=404))[0] == "actor-not-found"
        assert (await world.alice.get(f"/v2/actor-runs/{run_id}"))["status"] == "RUNNING"


@pytest.mark.anyio
async def test_status_404_for_what_is_not_there_or_not_this_callers() -> None:
    async with a_running_run() as (world, run_id, path):
        other = await world.actor("other")
        unknown = f"/v2/acts/unknownunknownabc/runs/{run_id}/abort"
        assert await error_of_call(world.alice, unknown, status=404) == ("actor-not-found", "Actor was not found.")
        assert (await error_of_call(world.bob, path, status=404))[0] == "actor-not-found"
        elsewhere = f"/v2/acts/{other}/runs/{run_id}/abort"
        assert (await error_of_call(world.alice, elsewhere, status=404))[0] == "record-not-found"
        for gone in (f"/v2/acts/{other}/runs/unknownunknownabc/abort", "/v2/actor-runs/unknownunknownabc/abort"):
            assert (await error_of_call(world.alice, gone, status=404))[0] == "record-not-found"
        assert (await world.alice.get(f"/v2/actor-runs/{run_id}"))["status"] == "RUNNING"


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_status_405_names_this_routes_own_methods(method: str) -> None:
    async with a_running_run() as (world, _, path):
        kind, message = await error_of_call(world.alice, path, status=405, method=method)
        assert kind == "method-not-allowed"
        assert message == ("This API end-point can only be accessed using the following HTTP methods: OPTIONS,POST")


@pytest.mark.anyio
async def test_status_429_from_the_real_limiter() -> None:
    async with a_running_run(rate_limit_scale=1.0) as (world, run_id, path):
        await world.clock.advance(1)
        for _ in range(RATE_DEFAULT):
            answer = await world.alice.request("POST", path)
            assert (answer.status, answer.headers["x-ratelimit-limit"]) == (200, str(RATE_DEFAULT))
        answer = await world.alice.request("POST", path)
        assert error_of(answered(answer, 429))[0] == "rate-limit-exceeded"
        assert answer.headers["x-ratelimit-limit"] == str(RATE_DEFAULT)
        await world.alice.get(f"/v2/actor-runs/{run_id}")
        await world.clock.advance(1)
        await world.alice.post(path, status=200)


@pytest.mark.anyio
async def test_every_spelling_of_the_actor_and_both_prefixes_lead_to_the_run() -> None:
    async with open_server() as world:
        actor = await world.actor()
        for prefix in ("acts", "actors"):
            for spelling in (actor, "alice~hello", "~hello", "alice%7Ehello"):
                run = await world.running(actor)
                aborted = await world.alice.post(f"/v2/{prefix}/{spelling}/runs/{run['id']}/abort", status=200)
                assert aborted["status"] == "ABORTING"
                run = await world.reached(run["id"], RunStatus.ABORTED)
                assert world.executor.calls.count(("kill", container_name(run["id"], 1))) == 1
                assert run["actId"] == actor
