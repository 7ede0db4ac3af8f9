"""A user does not see that another's things exist. Walks the server's own route table, aliases and all.

For every operation below somebody's resource: another user, somebody with a wrong signature and somebody without a
token get the same reply as for a resource that does not exist, and it says nothing of the contents.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from actorium.app import openapi
from asgi_client import Answer
from server_world import ServerWorld, open_server
from world import Client

pytestmark = pytest.mark.anyio

SECRET = "The-Secret"
GHOST = "Gh0stGh0stGh0stGh"
STORAGE = re.compile(r"\{(datasetId|storeId|queueId)\}|/(dataset|key-value-store|request-queue)(/|$)")
PUBLIC = re.compile(r"^/v2/users/")  # a user's public profile is for everybody
QUERY = {"lockSecs": "60", "version": "0.1", "targetActorId": GHOST}
BODIES: dict[str, Any] = {
    "CreateActor": {"name": "mine"},
    "UpdateActor": {"title": "stolen"},
    "WriteVersion": {"versionNumber": "0.1", "sourceType": "SOURCE_FILES", "sourceFiles": []},
    "EnvVar": {"name": "STOLEN", "value": "1"},
    "UpdateRun": {"runId": GHOST, "statusMessage": "stolen"},
    "UpdateStorage": {"title": "stolen", "generalAccess": "ANYONE_WITH_ID_CAN_READ"},
    "CreateStorage": {},
    "array of DeletedRequest": [{"uniqueKey": SECRET}],
    "array": [{"uniqueKey": "new", "url": "http://example.com/"}],
    "object": {"uniqueKey": SECRET, "url": "http://example.com/"},
    "SqlBody": {"sql": "SELECT * FROM dataset"},
    "ChargeRun": {"eventName": "stolen", "count": 1},
    "CreateTask": {"actId": GHOST, "name": "mine"},
    "UpdateTask": {"title": "stolen"},
    "": {"stolen": True},
}
"""A body that is fine, by the name of its schema; an operation with another one fails the walk until it is here."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    query: str
    body: Any

    def filled(self, names: Mapping[str, str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], self.path) + self.query


@dataclass
class Place:
    """A server with things of alice's in it."""

    world: ServerWorld
    real: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)


async def operations() -> list[Operation]:
    """Every operation that names a resource."""
    found = []
    for path, methods in (await openapi())["paths"].items():
        if "{" not in path or PUBLIC.match(path):
            continue
        for method, told in methods.items():
            wanted = [one["name"] for one in told.get("parameters", ()) if one.get("required") and one["in"] == "query"]
            if method == "post" and path.endswith("/builds"):
                wanted.append("version")  # told as optional, asked for by the server
            query = "?" + "&".join(f"{name}={QUERY[name]}" for name in wanted) if wanted else ""
            body = BODIES[schema_name(told["requestBody"])] if "requestBody" in told else None
            found.append(Operation(method.upper(), path, query, body))
    return found


def schema_name(told: Mapping[str, Any]) -> str:
    [content] = told["content"].values()
    schema = content["schema"]
    if schema.get("type") == "array" and "$ref" in schema["items"]:
        return f"array of {schema['items']['$ref'].rpartition('/')[2]}"
    return str(schema.get("type", schema.get("$ref", "")).rpartition("/")[2])


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with open_server() as world:
        actor = await world.actor("secret-actor")
        await world.alice.post(f"/v2/actors/{actor}/versions/0.1/env-vars", {"name": "SECRET", "value": SECRET})
        run = await world.running(actor)
        alice = world.alice
        place = Place(world)
        for kind, param, own in (
            ("datasets", "datasetId", run["defaultDatasetId"]),
            ("key-value-stores", "storeId", run["defaultKeyValueStoreId"]),
            ("request-queues", "queueId", run["defaultRequestQueueId"]),
        ):
            named = (await alice.post(f"/v2/{kind}?name={SECRET}"))["id"]
            place.named[param] = f"alice~{SECRET}"
            place.real[param] = own
            for one in (own, named):
                await fill(alice, f"/v2/{kind}/{one}")
        request = await alice.get(f"/v2/request-queues/{place.real['queueId']}/head?clientKey=alice")
        place.real |= {
            "actorId": actor,
            "runId": run["id"],
            "buildId": run["buildId"],
            "buildOrRunId": run["id"],
            "recordKey": SECRET,
            "requestId": request["items"][0]["id"],
            "versionNumber": "0.1",
            "envVarName": "SECRET",
        }
        if (await alice.request("GET", "/v2/actor-tasks")).status == 200:
            task = await alice.post("/v2/actor-tasks", {"actId": actor, "name": "secret-task", "input": {"x": SECRET}})
            await alice.post(f"/v2/actor-tasks/{task['id']}/runs")
            place.real["actorTaskId"] = task["id"]
        place.named = {**place.real, "actorId": "alice~secret-actor", **place.named}
        if "actorTaskId" in place.real:
            place.named["actorTaskId"] = "alice~secret-task"
        yield place


async def fill(alice: Client, path: str) -> None:
    if "datasets" in path:
        await alice.request("POST", f"{path}/items", json=[{"title": SECRET}])
    elif "key-value" in path:
        await alice.request("PUT", f"{path}/records/{SECRET}", body=SECRET.encode())
    else:
        await alice.post(
            f"{path}/requests?clientKey=alice", {"uniqueKey": SECRET, "url": f"http://example.com/{SECRET}"}
        )


def ghosts(names: Mapping[str, str]) -> dict[str, str]:
    """The same names of things that do not exist; what lies inside a resource keeps its own name."""
    inside = {"recordKey", "requestId", "versionNumber", "envVarName"}
    return {
        param: name if param in inside else (re.sub("~.*", f"~{GHOST}", name) if "~" in name else GHOST)
        for param, name in names.items()
    }


def seen(answer: Answer, names: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """A reply without what always differs, and with every name that was asked for replaced."""
    body = answer.body
    for name in sorted(names.values(), key=len, reverse=True):
        body = body.replace(name.encode(), b"NAME")
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    headers.pop("content-length", None)
    return answer.status, headers, body


async def ask(client: Client, operation: Operation, names: Mapping[str, str], extra: str = "") -> Answer:
    target = operation.filled(names)
    if extra:
        target += ("&" if "?" in target else "?") + extra
    return await client.request(operation.method, target, json=operation.body)


async def state(place: Place) -> list[str]:
    """Everything of alice's that a stranger might have changed."""
    alice, real = place.world.alice, place.real
    found: list[Any] = [
        await alice.get(f"/v2/actor-runs/{real['runId']}"),
        await alice.get(f"/v2/actors/{real['actorId']}"),
    ]
    for kind, param in (("datasets", "datasetId"), ("key-value-stores", "storeId"), ("request-queues", "queueId")):
        for name in (real[param], place.named[param]):
            found.append(await alice.get(f"/v2/{kind}/{name}"))
            rest = {"datasetId": "items", "storeId": f"records/{SECRET}", "queueId": "requests?clientKey=alice"}[param]
            found.append((await alice.request("GET", f"/v2/{kind}/{name}/{rest}")).body.decode())
    for one in found:
        if isinstance(one, dict):
            for volatile in VOLATILE:
                one.pop(volatile, None)
    return [json.dumps(one, sort_keys=True) for one in found]


VOLATILE = (
    "accessedAt",
    "stats",
    "usage",
    "isContainerServerReady",
    "itemsPublicUrl",
    "keysPublicUrl",
    "recordsPublicUrl",
)
STRANGERS = {
    "another user": "",
    "no token": "",
    "a wrong signature": "signature=" + base64.urlsafe_b64encode(b"0.0.x").decode(),
}


@pytest.mark.parametrize("who", STRANGERS)
async def test_a_stranger_cannot_tell_what_exists_from_what_does_not(place: Place, who: str) -> None:
    client = place.world.nobody if who == "no token" else place.world.bob
    before = await state(place)
    leaks: list[str] = []
    walked = 0
    for operation in await operations():
        for names in (place.real, place.named):
            answer = await ask(client, operation, names, STRANGERS[who])
            nothing = await ask(client, operation, ghosts(names), STRANGERS[who])
            walked += 1
            told = f"{operation.method} {operation.filled(names)}: {answer.status} {answer.body[:200]!r}"
            if answer.status not in (401, 403, 404):
                leaks.append(f"not refused: {told}")
            elif seen(answer, names) != seen(nothing, ghosts(names)):
                leaks.append(f"differs: {told} but {nothing.status} {nothing.body[:200]!r}")
            if SECRET.encode() in answer.body.replace(operation.filled(names).encode(), b""):
                leaks.append(f"tells: {told}")
    assert not leaks, f"{len(leaks)} of {walked}:\n" + "\n".join(leaks)
    assert await state(place) == before


async def test_the_walk_covers_every_storage_operation() -> None:
    walked = {(one.method, one.path) for one in await operations() if STORAGE.search(one.path)}
    assert len(walked) > 60
    assert {re.sub(r"\{\w+\}.*|/v2/", "", path) for _, path in walked} >= {
        "datasets/",
        "key-value-stores/",
        "request-queues/",
    }


async def test_who_may_read_may_not_write(place: Place) -> None:
    alice, bob = place.world.alice, place.world.bob
    shared: dict[str, str] = dict(place.real)
    for kind, param in (("datasets", "datasetId"), ("key-value-stores", "storeId"), ("request-queues", "queueId")):
        shared[param] = (await alice.post(f"/v2/{kind}"))["id"]
        await fill(alice, f"/v2/{kind}/{shared[param]}")
        await alice.put(f"/v2/{kind}/{shared[param]}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
    wrong: list[str] = []
    for operation in await operations():
        if not re.match(r"/v2/(datasets|key-value-stores|request-queues)/", operation.path):
            continue
        answer = await ask(bob, operation, shared)
        reads = operation.method in ("GET", "HEAD") or operation.path.endswith("/query")
        allowed = (200, 400) if reads else (403,)  # 400: no statistics without a schema
        if answer.status not in allowed:
            wrong.append(f"{operation.method} {operation.path}: {answer.status} {answer.body[:200]!r}")
    assert not wrong, "\n".join(wrong)
