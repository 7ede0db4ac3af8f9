"""Texts that JavaScript cut inside an emoji: half a pair in JSON refuses nothing, wherever it is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server_world import ServerWorld, open_server
from world import version

pytestmark = pytest.mark.anyio

CUT, SHOWN = '"cut \\ud83d"', "cut \ufffd"
JSON = {"Content-Type": "application/json"}


async def sent(world: ServerWorld, method: str, path: str, body: str, status: int) -> Any:
    answer = await world.alice.request(method, path, body=body.encode(), headers=JSON)
    assert answer.status == status, answer.body
    return answer.json


async def got(world: ServerWorld, path: str) -> Any:
    return (await world.alice.request("GET", path)).json


@pytest.mark.parametrize("body", [f'[{{"a": {CUT}}}, {{"a": "whole \\ud83d\\ude00"}}]', f'{{"a": {CUT}}}'])
@pytest.mark.parametrize("is_text", [False, True])
async def test_items_of_datasets(body: str, is_text: bool) -> None:
    async with open_server() as world:
        dataset = await world.alice.post("/v2/datasets")
        path = f"/v2/datasets/{dataset['id']}/items"
        await sent(world, "POST", path, json.dumps(body) if is_text else body, 201)
        assert [item["a"] for item in await got(world, path)] == [SHOWN, "whole \U0001f600"][: 2 if "[" in body else 1]
        assert (await world.alice.request("GET", f"{path}?format=csv&bom=0")).body.decode().splitlines()[1] == SHOWN


async def test_requests_and_messages() -> None:
    async with open_server() as world:
        queue = await world.alice.post("/v2/request-queues")
        request = f'{{"url": "http://a.example", "uniqueKey": "1", "userData": {{"title": {CUT}}}}}'
        path = f"/v2/request-queues/{queue['id']}/requests"
        added = await sent(world, "POST", path, request, 201)
        there = await world.alice.get(f"{path}/{added['data']['requestId']}")
        assert there["userData"] == {"title": SHOWN}
        run = await world.running(await world.actor())
        said = await sent(world, "PUT", f"/v2/actor-runs/{run['id']}", f'{{"statusMessage": {CUT}}}', 200)
        assert said["data"]["statusMessage"] == SHOWN


async def test_inputs_of_actors_and_tasks_with_a_schema_and_without() -> None:
    fields = {"title": {"type": "string", "maxLength": 5}, "pages": {"type": "integer", "default": 3}}
    definition = {"actorSpecification": 1, "name": "a", "version": "0.1", "input": {"properties": fields}}
    files = ("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(definition))
    async with open_server() as world:
        actor, other = await world.actor(versions=[version(*files)]), await world.actor("without-schema")
        for one, expected in ((actor, {"title": SHOWN, "pages": 3}), (other, {"title": SHOWN})):
            run = await sent(world, "POST", f"/v2/actors/{one}/runs", f'{{"title": {CUT}}}', 201)
            store = f"/v2/key-value-stores/{run['data']['defaultKeyValueStoreId']}/records/INPUT"
            assert await got(world, store) == expected
        task = await world.alice.post("/v2/actor-tasks", {"actId": actor, "input": {"pages": 9}})
        run = await sent(world, "POST", f"/v2/actor-tasks/{task['id']}/runs", f'{{"title": {CUT}}}', 201)
        store = f"/v2/key-value-stores/{run['data']['defaultKeyValueStoreId']}/records/INPUT"
        assert await got(world, store) == {"title": SHOWN, "pages": 9}
        await sent(world, "POST", f"/v2/actors/{actor}/validate-input", f'{{"title": {CUT}}}', 200)
        await sent(world, "POST", f"/v2/actors/{actor}/validate-input", '{"title": "\\ud83d', 400)


async def test_records_of_collections() -> None:
    collection = {"title": "x", "key": "TITLE", "jsonSchema": {"type": "object", "required": ["a"]}}
    schema = {"actorKeyValueStoreSchemaVersion": 1, "title": "s", "collections": {"titles": collection}}
    async with open_server() as world:
        store = await world.alice.post("/v2/key-value-stores", {"schema": schema})
        path = f"/v2/key-value-stores/{store['id']}/records/TITLE"
        body = f'{{"a": {CUT}}}'
        await sent(world, "PUT", path, body, 201)
        assert (await world.alice.request("GET", path)).body == body.encode(), "records stay as they were sent"
