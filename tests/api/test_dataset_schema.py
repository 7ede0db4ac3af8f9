"""A dataset with a schema takes only items that fit it, and tells what does not fit."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from apify_client._models import DatasetSchemaValidationErrorData

from actorium.kernel.limits import INVALID_ITEMS_MAX
from server_world import open_server
from storage_world import StorageWorld, open_storages
from world import version

pytestmark = pytest.mark.anyio

FIELDS = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "price": {"type": "number", "minimum": 0},
        "note": {"type": "string", "nullable": True},
    },
    "required": ["name", "price"],
    "additionalProperties": False,
}
GOOD = {"name": "a", "price": 1.5, "note": None}


async def made(world: StorageWorld, fields: Any = FIELDS, *, name: str = "") -> str:
    schema = {"actorSpecification": 1, "fields": fields, "views": {}}
    dataset = await world.alice.post(f"/v2/datasets{'?name=' if name else ''}{name}", {"schema": schema})
    assert dataset["schema"] == schema
    return f"/v2/datasets/{dataset['id']}/items"


async def items_of(world: StorageWorld, target: str) -> Any:
    return (await world.alice.request("GET", target)).json


async def test_items_that_fit() -> None:
    async with open_storages() as world:
        target = await made(world)
        for body in (GOOD, [GOOD, GOOD | {"note": "x"}], json.dumps([GOOD]), []):
            answer = await world.alice.request("POST", target, json=body)
            assert (answer.status, answer.body) == (201, b"{}")
        assert len(await items_of(world, target)) == 4


async def test_one_item_that_does_not_fit_stops_all() -> None:
    async with open_storages() as world:
        target = await made(world)
        bad = {"name": 1, "price": -1, "more": True}
        answer = await world.alice.request("POST", target, json=[GOOD, bad, GOOD, {"price": 1}])
        assert answer.status == 400
        error = answer.json["error"]
        DatasetSchemaValidationErrorData.model_validate(error["data"])
        assert error["type"] == "schema-validation-error"
        assert error["message"].startswith("Schema validation failed")
        first, second = error["data"]["invalidItems"]
        assert (first["itemPosition"], second["itemPosition"]) == (1, 3)
        told = sorted(first["validationErrors"], key=lambda found: found["keyword"])
        assert told == [
            {
                "instancePath": "",
                "schemaPath": "#/additionalProperties",
                "keyword": "additionalProperties",
                "params": {"additionalProperty": "more"},
                "message": "must NOT have additional properties",
            },
            {
                "instancePath": "/price",
                "schemaPath": "#/properties/price/minimum",
                "keyword": "minimum",
                "params": {"comparison": ">=", "limit": 0},
                "message": "must be >= 0",
            },
            {
                "instancePath": "/name",
                "schemaPath": "#/properties/name/type",
                "keyword": "type",
                "params": {"type": "string"},
                "message": "must be string",
            },
        ]
        [missing] = second["validationErrors"]
        assert missing["params"] == {"missingProperty": "name"}
        assert await items_of(world, target) == []


async def test_a_single_item_and_a_coded_body() -> None:
    async with open_storages() as world:
        target = await made(world, name="checked")
        body = gzip.compress(b'{\n"name": 1,\r\n "price": 1}')
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        for address in (target, "/v2/datasets/~checked/items"):
            answer = await world.alice.request("POST", address, body=body, headers=headers)
            [invalid] = answer.json["error"]["data"]["invalidItems"]
            assert invalid["itemPosition"] == 0


async def test_the_list_of_invalid_items_ends() -> None:
    async with open_storages() as world:
        target = await made(world)
        answer = await world.alice.request("POST", target, json=[{} for _ in range(INVALID_ITEMS_MAX + 1)])
        assert len(answer.json["error"]["data"]["invalidItems"]) == INVALID_ITEMS_MAX


async def test_a_schema_that_goes_in_circles() -> None:
    async with open_storages() as world:
        target = await made(world, {"properties": {"child": {"$ref": "#"}, "id": {"type": "integer"}}})
        good, bad = {"child": {"child": {"id": 1}}}, {"child": {"child": {"id": "1"}}}
        assert (await world.alice.request("POST", target, json=good)).status == 201
        answer = await world.alice.request("POST", target, json=[good, bad])
        [invalid] = answer.json["error"]["data"]["invalidItems"]
        assert (invalid["itemPosition"], invalid["validationErrors"][0]["instancePath"]) == (1, "/child/child/id")


@pytest.mark.parametrize("schema", [None, {}, {"views": {}}, {"fields": None}, {"fields": {}}, {"title": "T"}])
async def test_schemas_that_ask_for_nothing(schema: dict[str, Any] | None) -> None:
    async with open_storages() as world:
        dataset = await world.alice.post("/v2/datasets", {"schema": schema})
        answer = await world.alice.request("POST", f"/v2/datasets/{dataset['id']}/items", json={"anything": 1})
        assert answer.status == 201


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"actorSpecification": 2}, "schema.actorSpecification"),
        ({"fields": []}, "schema.fields"),
        ({"fields": {"type": "array"}}, "schema.fields.type"),
        ({"fields": {"type": "text"}}, "schema.fields.type"),
        ({"fields": {"properties": {"a": {"minimum": "1"}}}}, "schema.fields.properties.a.minimum"),
        ({"fields": {"properties": {"a": {"pattern": "("}}}}, "schema.fields.properties.a.pattern"),
        ({"fields": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}, "schema.fields.$schema"),
        ({"fields": {"$ref": "http://127.0.0.1:1/schema"}}, "schema.fields"),
        ({"views": []}, "schema.views"),
        ({"views": {"all": 1}}, "schema.views.all"),
        ({"views": {"all": {"transformation": []}}}, "schema.views.all.transformation"),
        ({"views": {"all": {"transformation": {"fields": 5}}}}, "schema.views.all.transformation.fields"),
        ({"views": {"all": {"transformation": {"unwind": [1]}}}}, "schema.views.all.transformation.unwind"),
        ({"views": {"all": {"display": "table"}}}, "schema.views.all.display"),
    ],
)
async def test_schemas_that_cannot_be_used(schema: Any, field: str) -> None:
    async with open_storages() as world:
        error = await world.alice.post("/v2/datasets?name=d", {"schema": schema}, status=400)
        assert error["type"] == "dataset-schema-invalid"
        assert f'"{field}"' in error["message"]
        assert (await world.alice.get("/v2/datasets?unnamed=1"))["total"] == 0


@pytest.mark.parametrize("schema", [1, [], "x"])
async def test_a_schema_is_an_object(schema: Any) -> None:
    async with open_storages() as world:
        error = await world.alice.post("/v2/datasets", {"schema": schema}, status=400)
        assert error["type"] == "invalid-input"
        assert '"schema"' in error["message"]


DEFINITION = {
    "actorSpecification": 1,
    "name": "checked",
    "version": "0.1",
    "storages": {
        "datasets": {"default": "./items.json", "people": {"actorSpecification": 1, "fields": {"required": ["email"]}}},
        "keyValueStore": {
            "actorKeyValueStoreSchemaVersion": 1,
            "title": "Results",
            "collections": {"images": {"title": "Images", "keyPrefix": "image-", "contentTypes": ["image/png"]}},
        },
    },
}


async def test_an_actors_definition_gives_schemas_to_its_runs() -> None:
    async with open_server() as world:
        files = (("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(DEFINITION)))
        schema = {"actorSpecification": 1, "fields": FIELDS, "views": {}}
        versions = [version(*files, (".actor/items.json", json.dumps(schema)))]
        actor = await world.actor("checked", versions=versions)
        run = await world.running(actor)
        dataset = await world.alice.get(f"/v2/actor-runs/{run['id']}/dataset")
        assert dataset["schema"] == schema
        items = f"/v2/actor-runs/{run['id']}/dataset/items"
        assert (await world.alice.request("POST", items, json=GOOD)).status == 201
        refused = await world.alice.request("POST", items, json=[GOOD, {}])
        assert refused.json["error"]["data"]["invalidItems"][0]["itemPosition"] == 1
        people = f"/v2/datasets/{run['storageIds']['datasets']['people']}/items"
        assert (await world.alice.request("POST", people, json={"email": "a"})).status == 201
        assert (await world.alice.request("POST", people, json={})).status == 400
        store = f"/v2/actor-runs/{run['id']}/key-value-store"
        assert (await world.alice.get(store))["schema"] == DEFINITION["storages"]["keyValueStore"]
        text = {"content-type": "text/plain"}
        assert (await world.alice.request("PUT", f"{store}/records/image-1", body=b"x", headers=text)).status == 400
        assert (await world.alice.request("PUT", f"{store}/records/note", body=b"x", headers=text)).status == 201


async def test_an_actor_without_schemas_has_none() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        assert (await world.alice.get(f"/v2/actor-runs/{run['id']}/dataset"))["schema"] is None
        assert (await world.alice.get(f"/v2/actor-runs/{run['id']}/key-value-store"))["schema"] is None
