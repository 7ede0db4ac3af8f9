"""Collections of a key-value store's schema: which keys are in them, and what may be written into them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.kernel.limits import COLLECTIONS_MAX, VALIDATED_RECORD_BYTES_MAX
from asgi_client import Answer
from storage_world import StorageWorld, open_storages

pytestmark = pytest.mark.anyio

REPORT = {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}}
COLLECTIONS: dict[str, Any] = {
    "images": {"title": "Images", "keyPrefix": "image-", "contentTypes": ["image/*"]},
    "photos": {"title": "Photos", "keyPrefix": "image-photo-", "contentTypes": ["image/jpeg", "IMAGE/PNG; q=1"]},
    "report": {"title": "Report", "key": "REPORT", "contentTypes": ["application/json"], "jsonSchema": REPORT},
    "pages": {"title": "Pages", "keyPrefix": "page-", "jsonSchema": REPORT},
    "notes": {"title": "Notes", "keyPrefix": "n"},
}
JSON = "application/json; charset=utf-8"


async def made(world: StorageWorld, collections: Any = COLLECTIONS) -> str:
    schema = {"actorKeyValueStoreSchemaVersion": 1, "title": "Results", "collections": collections}
    store = await world.alice.post("/v2/key-value-stores", {"schema": schema})
    assert store["schema"] == schema
    return f"/v2/key-value-stores/{store['id']}"


async def put(
    world: StorageWorld, store: str, key: str, content: Any, content_type: str = "text/plain", **headers: str
) -> Answer:
    sent = {"content-type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.alice.request("PUT", f"{store}/records/{key}", body=content, headers=sent)


async def keys(world: StorageWorld, store: str, query: str) -> list[str]:
    return [entry["key"] for entry in (await world.alice.get(f"{store}/keys?{query}"))["items"]]


async def test_keys_of_a_collection() -> None:
    async with open_storages() as world:
        store = await made(world)
        for key in ("image-1", "image-photo-1", "image-photo-2"):
            assert (await put(world, store, key, b"x", "image/png")).status == 201
        for key in ("REPORT", "REPORT2"):
            assert (await put(world, store, key, b'{"total": 1}', JSON)).status == 201
        assert await keys(world, store, "collection=images") == ["image-1", "image-photo-1", "image-photo-2"]
        assert await keys(world, store, "collection=photos") == ["image-photo-1", "image-photo-2"]
        assert await keys(world, store, "collection=report") == ["REPORT"]
        assert await keys(world, store, "collection=notes") == []
        assert await keys(world, store, "collection=images&prefix=image-p") == ["image-photo-1", "image-photo-2"]
        assert await keys(world, store, "collection=photos&prefix=im") == ["image-photo-1", "image-photo-2"]
        assert await keys(world, store, "collection=images&prefix=x") == []
        assert await keys(world, store, "collection=report&prefix=REP") == ["REPORT"]
        assert await keys(world, store, "collection=report&prefix=REPORT2") == []
        assert await keys(world, store, "collection=report&exclusiveStartKey=REPORT") == []
        page = await world.alice.get(f"{store}/keys?collection=images&limit=2")
        assert (page["isTruncated"], page["nextExclusiveStartKey"]) == (True, "image-photo-1")
        one = await world.alice.get(f"{store}/keys?collection=report&limit=1")
        assert (one["isTruncated"], one["count"], one["limit"]) == (False, 1, 1)


async def test_unknown_collections() -> None:
    async with open_storages() as world:
        plain = await world.alice.post("/v2/key-value-stores")
        for store in (await made(world), f"/v2/key-value-stores/{plain['id']}"):
            for path in ("keys", "records"):
                error = await world.alice.get(f"{store}/{path}?collection=nothing", status=400)
                assert error["type"] == "invalid-collection"


@pytest.mark.parametrize(
    ("key", "content_type", "status"),
    [
        ("image-1", "image/gif", 201),
        ("image-1", "Image/GIF; a=b", 201),
        ("image-1", "text/plain", 400),
        ("image-photo-1", "image/png", 201),
        ("image-photo-1", "image/gif", 400),
        ("note", "anything/atall", 201),
        ("other", "text/html", 201),
        ("REPORT", "text/plain", 400),
    ],
)
async def test_content_types(key: str, content_type: str, status: int) -> None:
    async with open_storages() as world:
        store = await made(world)
        for content in (b"x", [b"x" * 60_000, b"y" * 60_000]):
            answer = await put(world, store, key, content, content_type)
            assert answer.status == status
            found = await world.alice.request("HEAD", f"{store}/records/{key}")
            assert found.status == (200 if status == 201 else 404)
            if status == 400:
                assert answer.json["error"]["type"] == "schema-validation-failed"
                assert content_type in answer.json["error"]["message"]
        assert status == 201 or [blob async for blob in world.blobs.keys("")] == []


@pytest.mark.parametrize("coding", [None, "gzip", "br"])
async def test_json_is_checked_in_any_coding(coding: str | None) -> None:
    code: dict[str | None, Any] = {None: bytes, "gzip": gzip.compress, "br": brotli.compress}
    headers = {} if coding is None else {"content_encoding": coding}
    async with open_storages() as world:
        store = await made(world)
        good = code[coding](b'{\r\n"total": 1}\n')
        for key in ("REPORT", "page-1"):
            assert (await put(world, store, key, good, JSON, **headers)).status == 201
            kept = await world.alice.request(
                "GET", f"{store}/records/{key}", headers={"accept-encoding": coding or "identity"}
            )
            assert kept.body == good
            bad = await put(world, store, key, code[coding](b'{"total":\n"1"}'), JSON, **headers)
            assert bad.status == 400
            error = bad.json["error"]
            assert error["type"] == "schema-validation-failed"
            [found] = error["data"]["validationErrors"]
            assert (found["instancePath"], found["message"]) == ("/total", "must be integer")
            again = await world.alice.request(
                "GET", f"{store}/records/{key}", headers={"accept-encoding": coding or "identity"}
            )
            assert again.body == good


@pytest.mark.parametrize("content", [b"", b"{", b'{"total": "\xff"}', b"[" * 100_000, b'\xef\xbb\xbf{"total": 1}'])
async def test_json_that_is_none(content: bytes) -> None:
    async with open_storages() as world:
        store = await made(world)
        answer = await put(world, store, "page-1", content, JSON)
        assert (answer.status, answer.json["error"]["type"]) == (400, "schema-validation-failed")
        assert (await put(world, store, "page-1", content, "text/plain")).status == 201


async def test_large_json_is_checked_whole_and_other_types_pass() -> None:
    async with open_storages() as world:
        store = await made(world)
        large = json.dumps({"total": 1, "rest": "x" * 1_000_000}).encode()
        pieces = [large[at : at + 100_000] for at in range(0, len(large), 100_000)]
        assert (await put(world, store, "page-1", list(pieces), JSON)).status == 201
        assert (await put(world, store, "page-1", [b'{"total":"x",', *pieces[0:0], b'"a":1}'], JSON)).status == 400
        beyond = [b" " * 1_000_000] * (VALIDATED_RECORD_BYTES_MAX // 1_000_000 + 1)
        refused = await put(world, store, "page-1", list(beyond), JSON)
        assert (refused.status, refused.json["error"]["type"]) == (413, "request-too-large")
        bomb = gzip.compress(b" " * (VALIDATED_RECORD_BYTES_MAX + 1))
        assert (await put(world, store, "page-1", bomb, JSON, content_encoding="gzip")).status == 413
        assert (await put(world, store, "page-1", list(beyond), "application/octet-stream")).status == 201
        assert (await world.alice.request("GET", f"{store}/records/page-1")).headers["content-length"] == "10000000"


async def test_a_json_schema_that_goes_in_circles() -> None:
    circle = {"properties": {"next": {"$ref": "#"}, "id": {"type": "integer"}}}
    async with open_storages() as world:
        store = await made(world, {"lists": {"keyPrefix": "l", "jsonSchema": circle}})
        assert (await put(world, store, "l1", b'{"next": {"id": 1}}', JSON)).status == 201
        assert (await put(world, store, "l1", b'{"next": {"id": "1"}}', JSON)).status == 400


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"actorKeyValueStoreSchemaVersion": 2}, "schema.actorKeyValueStoreSchemaVersion"),
        ({"collections": []}, "schema.collections"),
        ({"collections": {str(at): {"key": "a"} for at in range(COLLECTIONS_MAX + 1)}}, "schema.collections"),
        ({"collections": {"a": 1}}, "schema.collections.a"),
        ({"collections": {"a": {}}}, "schema.collections.a"),
        ({"collections": {"a": {"key": "a", "keyPrefix": "a"}}}, "schema.collections.a"),
        ({"collections": {"a": {"key": "a b"}}}, "schema.collections.a.key"),
        ({"collections": {"a": {"keyPrefix": 1}}}, "schema.collections.a.keyPrefix"),
        ({"collections": {"a": {"key": "a", "contentTypes": "x/y"}}}, "schema.collections.a.contentTypes"),
        ({"collections": {"a": {"key": "a", "contentTypes": ["json"]}}}, "schema.collections.a.contentTypes"),
        ({"collections": {"a": {"key": "a", "jsonSchema": []}}}, "schema.collections.a.jsonSchema"),
        ({"collections": {"a": {"key": "a", "jsonSchema": {"type": "x"}}}}, "schema.collections.a.jsonSchema.type"),
    ],
)
async def test_schemas_that_cannot_be_used(schema: Any, field: str) -> None:
    async with open_storages() as world:
        error = await world.alice.post("/v2/key-value-stores?name=s", {"schema": schema}, status=400)
        assert error["type"] == "store-schema-invalid"
        assert f'"{field}"' in error["message"]
        assert (await world.alice.get("/v2/key-value-stores?unnamed=1"))["total"] == 0


@pytest.mark.parametrize("schema", [None, {}, {"collections": None}, {"collections": {}}])
async def test_schemas_that_ask_for_nothing(schema: Any) -> None:
    async with open_storages() as world:
        store = await world.alice.post("/v2/key-value-stores", {"schema": schema})
        assert (await put(world, f"/v2/key-value-stores/{store['id']}", "a", b"x")).status == 201


ALPHABET = "aAbB-_.!'()09"
KEYS = st.sets(st.text(ALPHABET, min_size=1, max_size=4), max_size=12)


@settings(max_examples=25, deadline=None)
@given(KEYS, st.integers(1, 7), st.text(ALPHABET, max_size=2), st.sampled_from(["", "one", "some"]))
async def test_pages_of_keys_against_a_sorted_list(wanted: set[str], limit: int, prefix: str, collection: str) -> None:
    collections = {"one": {"key": "aA"}, "some": {"keyPrefix": "a"}}
    async with open_storages() as world:
        store = await made(world, collections)
        for key in wanted:
            assert (await put(world, store, key, key.encode())).status == 201
        inside = {"": lambda _: True, "one": lambda key: key == "aA", "some": lambda key: key.startswith("a")}
        expected = sorted((key for key in wanted if key.startswith(prefix) and inside[collection](key)), key=str.encode)
        seen: list[str] = []
        query = f"limit={limit}&prefix={prefix}&collection={collection}"
        after: str | None = ""
        while after is not None:
            page = await world.alice.get(f"{store}/keys?{query}&exclusiveStartKey={after}")
            assert page["count"] == len(page["items"]) <= limit
            assert [entry["size"] for entry in page["items"]] == [len(entry["key"]) for entry in page["items"]]
            assert page["isTruncated"] == (page["nextExclusiveStartKey"] is not None)
            seen += [entry["key"] for entry in page["items"]]
            after = page["nextExclusiveStartKey"]
        assert seen == expected
