"""What a build makes of an Actor's definition: what no run could use ends it, with the file and the field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorium.runs.lifecycle import container_name
from server_world import ServerWorld, open_server
from world import version

pytestmark = pytest.mark.anyio


async def build_of(world: ServerWorld, definition: Any, *files: tuple[str, str]) -> dict[str, Any]:
    """A build of an Actor with this definition, and its log."""
    sources = version(("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(definition)), *files)
    made = await world.alice.post("/v2/actors", {"versions": [sources]})
    build: dict[str, Any] = await world.alice.post(f"/v2/actors/{made['id']}/builds?version=0.1&waitForFinish=10")
    log = await world.alice.request("GET", f"/v2/actor-builds/{build['id']}/log?raw=1")
    return build | {"log": log.body.decode()}


def store_of(collection: Any) -> dict[str, Any]:
    return {"storages": {"keyValueStore": {"collections": {"c": collection}}}}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"input": {"properties": 5}}, '("input"): "properties": it must be an object of fields'),
        ({"input": {"properties": {"a": {"type": "text"}}}}, '("input"): "properties.a.type": it must be one of array'),
        ({"input": {"properties": {"a": {"$ref": "#/x"}}}}, '("input"): '),
        ({"input": {"properties": {"a": {"type": "string", "pattern": "("}}}}, '("input"): "properties.a.pattern": '),
        ({"input": {"schemaVersion": 2}}, '("input"): "schemaVersion" must be 1.'),
        *(
            ({"input": {"properties": {"pin": {"isSecret": True} | more}}}, '"properties.pin.isSecret": only a string')
            for more in ({"type": "integer"}, {"type": ["string", "number"]}, {"type": [{}]}, {})
        ),
        (
            {"inputSchema": {"properties": {"a": {"type": "integer", "default": "x"}, "b": {"type": "string"}}}},
            '("inputSchema"): a default does not fit its field: Field input.a must be integer.',
        ),
        (
            {"storages": {"dataset": {"fields": {"type": "array"}}}},
            '("storages.dataset"): "fields.type": it must be object',
        ),
        (
            {"storages": {"datasets": {"default": {}, "bad": {"fields": {"properties": {"p": {"type": "money"}}}}}}},
            '("storages.datasets.bad"): "fields.properties.p.type": it must be one of',
        ),
        ({"storages": {"dataset": {"views": []}}}, '("storages.dataset"): "views": it must be an object of views'),
        (store_of({}), '("storages.keyValueStore"): "collections.c": it must have either a key or a keyPrefix'),
        (store_of({"key": "a", "jsonSchema": {"type": "?"}}), '"collections.c.jsonSchema.type": it must be one of'),
    ],
)
async def test_what_no_run_could_use_ends_the_build(definition: Any, message: str) -> None:
    async with open_server() as world:
        build = await build_of(world, definition)
        assert build["status"] == "FAILED"
        last = build["log"].splitlines()[-1]
        assert "ACTOR: Build failed: .actor/actor.json (" in last
        assert message in last


async def test_a_schema_in_a_file_of_its_own_is_named_by_that_file() -> None:
    async with open_server() as world:
        bad = json.dumps({"properties": {"a": {"type": "text"}}})
        build = await build_of(world, {}, ("input_schema.json", bad))
        assert 'Build failed: input_schema.json: "properties.a.type": it must' in build["log"]
        fields = {"storages": {"dataset": "../items.json"}}
        build = await build_of(world, fields, ("items.json", '{"actorSpecification": 2}'))
        assert 'items.json ("storages.dataset"): "actorSpecification": it must be 1.' in build["log"]


async def test_what_is_only_worth_a_word() -> None:
    async with open_server() as world:
        build = await build_of(world, {"defaultMemoryMbytes": "input.pages * ("})
        assert build["status"] == "SUCCEEDED"
        assert 'ACTOR: "defaultMemoryMbytes" cannot be read, so runs get the memory of the Actor' in build["log"]


async def test_a_secret_inside_of_a_field_is_told_to_be_none() -> None:
    async with open_server() as world:
        inside = {"type": "array", "items": {"properties": {"b": {"isSecret": True}}}}
        build = await build_of(world, {"input": {"properties": {"a": inside, "c": inside | {"isSecret": True}}}})
        assert build["status"] == "SUCCEEDED"
        remark = '("input"): "properties.a.items.properties.b.isSecret" hides nothing: make the whole field secret.'
        assert remark in build["log"]
        assert build["log"].count("hides nothing") == 1


async def test_a_definition_with_everything() -> None:
    definition = {
        "actorSpecification": 1,
        "name": "everything",
        "title": "All",
        "version": "0.1.5",
        "buildTag": "latest",
        "meta": {"templateId": "python-start"},
        "environmentVariables": {"A": "1", "B": "@secret"},
        "input": "./in.json",
        "output": {"actorOutputSchemaVersion": 1, "properties": {"x": {"type": "string", "template": "x"}}},
        "storages": {"datasets": {"default": "./items.json", "errors": {}}, "keyValueStore": "./store.json"},
        "readme": "./ABOUT.md",
        "defaultMemoryMbytes": "get(input, 'pages', 1) * 256",
        "minMemoryMbytes": 256,
        "maxMemoryMbytes": 1024,
        "usesStandbyMode": False,
        "webServerSchema": {"openapi": "3.0.0", "paths": {}},
        "webServerMcpPath": "/mcp",
        "somethingNew": {"kept": True},
    }
    input_schema = {"title": "I", "type": "object", "schemaVersion": 1, "properties": {}}
    items = {"actorSpecification": 1, "fields": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    store = {"actorKeyValueStoreSchemaVersion": 1, "collections": {"shots": {"title": "S", "keyPrefix": "shot-"}}}
    files = {"in.json": input_schema, "items.json": items, "store.json": store}
    async with open_server() as world:
        build = await build_of(
            world,
            definition,
            *((f".actor/{name}", json.dumps(content)) for name, content in files.items()),
            (".actor/ABOUT.md", "# All"),
            ("changelog.md", "## 0.1"),
        )
        assert build["status"] == "SUCCEEDED", build["log"]
        assert build["actorDefinition"] == definition | {
            "input": input_schema,
            "storages": {"datasets": {"default": items, "errors": {}}, "keyValueStore": store},
            "readme": "# All",
            "changelog": "## 0.1",
            "dockerfile": "FROM scratch",
        }
        assert (json.loads(build["inputSchema"]), build["readme"]) == (input_schema, "# All")


async def test_the_output_schema_is_filled_in_for_each_run() -> None:
    templates = {
        "items": "{{links.apiDefaultDatasetUrl}}/items?format=csv",
        "errors": "{{ storages.datasets.errors.apiUrl }}/items",
        "ids": "{{run.id}} {{run.defaultKeyValueStoreId}} {{storages.keyValueStores.default.id}} {{run.exitCode}}",
        "page": "{{links.containerRunUrl}}",
        "unknown": "{{links.nothing}} {{run}} {{run.stats}} {{storages.datasets.no.id}} {{nothing",
        "stats": "{{run.stats.rebootCount}}",
    }
    properties = {name: {"type": "string", "title": name, "template": text} for name, text in templates.items()}
    definition = {
        "output": {"actorOutputSchemaVersion": 1, "properties": properties},
        "storages": {"datasets": {"default": {}, "errors": {}}},
    }
    async with open_server() as world:
        sources = version(("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(definition)))
        actor = await world.actor(versions=[sources])
        run = await world.running(actor)
        told = json.loads(world.executor.spec(container_name(run["id"], 1)).env["ACTOR_STORAGES_JSON"])
        assert told == run["storageIds"]
        done = await world.finished(run["id"])
        base, ids = "http://127.0.0.1:8010", done["storageIds"]
        assert set(ids["datasets"]) == {"default", "errors"}
        assert done["output"] == {
            "items": f"{base}/v2/datasets/{done['defaultDatasetId']}/items?format=csv",
            "errors": f"{base}/v2/datasets/{ids['datasets']['errors']}/items",
            "ids": " ".join([run["id"], *[done["defaultKeyValueStoreId"]] * 2, "0"]),
            "page": done["containerUrl"],
            "unknown": templates["unknown"],
            "stats": "0",
        }
        assert run["output"]["ids"].endswith(" null")
        again = await world.start(actor)
        assert not set(again["storageIds"]["datasets"].values()) & set(ids["datasets"].values())
        plain = await world.actor("plain")
        assert "output" not in await world.start(plain)
        await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect", status=200)
        assert (await world.alice.get(f"/v2/actor-runs/{run['id']}"))["output"]["items"] == done["output"]["items"]
