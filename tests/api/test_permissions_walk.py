"""A run with limited permissions walks every operation with its token, against things of its user's that are not its.

Everything is refused and nothing changes, but for the short list below: that list is written out here, so that a new
operation is either closed to such runs or named by somebody who has thought about it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actorium.http.route import Limited
from actorium.http.router import expand
from actorium.runs.lifecycle import RunStatus
from actorium.wiring import aliases, routes
from actorium.wiring.permissions import TABLE
from api.test_two_users import SECRET, Place, ask, fill, operations, state
from server_world import open_server
from world import Client

pytestmark = pytest.mark.anyio

REFUSALS = {"insufficient-permissions", "elevated-permissions-needed", "own-token-required"}
WITHOUT_A_RESOURCE = {
    "GET /v2/users/me",
    "GET /v2/datasets",
    "POST /v2/datasets",
    "GET /v2/key-value-stores",
    "POST /v2/key-value-stores",
    "GET /v2/request-queues",
    "POST /v2/request-queues",
}
"""What such a run may call that names nothing. Whatever names something of the account's must be refused."""

AWAITED = {
    "actorBuild_openapi_json_get",
    "actor_openapi_json_get",
    "store_get",
    "tools_browser_info_get",
}
"""Operations of the API that the table names and the server may not have yet."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with open_server() as world:
        secret = await world.actor("secret-actor", actorPermissionLevel="FULL_PERMISSIONS")
        await world.alice.post(f"/v2/actors/{secret}/versions/0.1/env-vars", {"name": "SECRET", "value": SECRET})
        task = await world.alice.post("/v2/actor-tasks", {"actId": secret, "name": "secret-task", "input": {"a": 1}})
        run = await world.alice.post(f"/v2/actor-tasks/{task['id']}/runs")
        await world.reached(run["id"], RunStatus.RUNNING)
        place = Place(world)
        for kind, param, own in (
            ("datasets", "datasetId", run["defaultDatasetId"]),
            ("key-value-stores", "storeId", run["defaultKeyValueStoreId"]),
            ("request-queues", "queueId", run["defaultRequestQueueId"]),
        ):
            await world.alice.post(f"/v2/{kind}?name={SECRET}")
            place.real[param], place.named[param] = own, f"~{SECRET}"
            for one in (own, f"~{SECRET}"):
                await fill(world.alice, f"/v2/{kind}/{one}")
        request = await world.alice.get(f"/v2/request-queues/{place.real['queueId']}/head?clientKey=alice")
        place.real |= {
            "actorId": secret,
            "actorTaskId": task["id"],
            "runId": run["id"],
            "buildId": run["buildId"],
            "buildOrRunId": run["id"],
            "recordKey": SECRET,
            "requestId": request["items"][0]["id"],
            "versionNumber": "0.1",
            "envVarName": "SECRET",
        }
        named = {"actorId": "~secret-actor", "actorTaskId": "alice~secret-task", "buildOrRunId": run["buildId"]}
        place.named = {**place.real, **place.named, **named}
        yield place


async def limited_run(place: Place, name: str) -> Client:
    """A client with the token of a running run of another Actor of alice's."""
    world = place.world
    run = await world.running(await world.actor(name))
    return Client(world.app, token=world.features.tokens.token(run["id"]))


async def account(place: Place) -> list[Any]:
    """What the account has, beside what is in the walked things."""
    alice = place.world.alice
    kinds = ("actors", "actor-tasks", "actor-builds", "actor-runs", "datasets", "key-value-stores", "request-queues")
    listed = [await alice.get(f"/v2/{kind}?unnamed=1") for kind in kinds]
    return [
        *await state(place),
        *[[(one["id"], one.get("status")) for one in page["items"]] for page in listed],
        await alice.get(f"/v2/actor-tasks/{place.real['actorTaskId']}"),
        await alice.get(f"/v2/actors/{place.real['actorId']}/versions"),
    ]


async def test_nothing_of_the_account_is_open_to_a_run_with_limited_permissions(place: Place) -> None:
    run = await limited_run(place, "limited-actor")
    before = await account(place)
    wrong: list[str] = []
    walked = 0
    for operation in await operations():
        if operation.path.startswith("/v2/acts/"):
            continue  # the same routes as below /v2/actors
        for names in (place.real, place.named):
            answer = await ask(run, operation, names)
            walked += 1
            head = operation.method == "HEAD"
            kind = "insufficient-permissions" if head else (answer.json or {}).get("error", {}).get("type")
            if answer.status != 403 or kind not in REFUSALS or SECRET.encode() in answer.body:
                wrong.append(f"{operation.method} {operation.filled(names)}: {answer.status} {answer.body[:200]!r}")
    assert not wrong, f"{len(wrong)} of {walked}:\n" + "\n".join(wrong)
    assert walked > 200
    after = await account(place)
    assert json.dumps(after, sort_keys=True) == json.dumps(before, sort_keys=True)


async def test_what_names_nothing_is_closed_but_for_a_list(place: Place) -> None:
    run, world = await limited_run(place, "another"), place.world
    answered = set()
    for operation in expand(routes(world.features), aliases(world.features)):
        if "{" in operation.path or operation.path.startswith("/v2/acts"):
            continue
        answer = await run.request(operation.method, operation.path, json={})
        if answer.status != 403:
            answered.add(f"{operation.method} {operation.path}")
    assert answered == WITHOUT_A_RESOURCE


async def test_a_run_with_full_permissions_walks_in(place: Place) -> None:
    """The same walk with a token that may, so that the refusals above are those of the permissions."""
    world = place.world
    full = Client(world.app, token=world.features.tokens.token(place.real["runId"]))
    closed = [
        f"{operation.method} {operation.path}: {answer.body[:100]!r}"
        for operation in await operations()
        if operation.method in ("GET", "HEAD")
        and "run-sync" not in operation.path  # waits for a run that does not end
        and (answer := await ask(full, operation, place.real)).status in (401, 403)
    ]
    assert closed == []


async def test_the_table_names_operations_that_there_are(place: Place) -> None:
    found = routes(place.world.features)
    assert TABLE.keys() - {one.operation_id for one in found} <= AWAITED
    assert all((one.limited is Limited.NO) == (one.operation_id not in TABLE) for one in found)
