"""Datasets over HTTP, as the contract words it."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pytest
from apify_client._models import DatasetResponse, ListOfDatasetsResponse

from actorium.kernel.limits import BODY_BYTES_MAX
from storage_world import StorageWorld, open_storages, path_of
from world import Client

pytestmark = pytest.mark.anyio

INSUFFICIENT = (
    "Insufficient permissions for the dataset. Make sure you're passing a correct API token and that it has the "
    "required permissions."
)


async def filled(client: Client, *items: dict[str, Any], name: str = "") -> dict[str, Any]:
    dataset: dict[str, Any] = await client.post(f"/v2/datasets{'?name=' if name else ''}{name}")
    answer = await client.request("POST", f"/v2/datasets/{dataset['id']}/items", json=items)
    assert (answer.status, answer.body) == (201, b"{}")
    return dataset


async def test_get_or_create() -> None:
    async with open_storages() as world:
        made = await world.alice.request("POST", "/v2/datasets?name=my-data", json={})
        again = await world.alice.request("POST", "/v2/datasets?name=my-data")
        assert (made.status, again.status) == (201, 200)
        assert made.headers["location"] == f"/v2/datasets/{made.json['data']['id']}"
        assert again.json == made.json
        dataset = made.json["data"]
        DatasetResponse.model_validate(made.json)
        assert dataset["name"] == "my-data"
        assert dataset["generalAccess"] == "FOLLOW_USER_SETTING"
        assert dataset["createdAt"] == "2026-01-01T00:00:00.000Z"
        assert len(dataset["urlSigningSecretKey"]) > 20
        for address in (dataset["id"], "~my-data", "alice~my-data"):
            assert (await world.alice.get(f"/v2/datasets/{address}"))["id"] == dataset["id"]
        bad = await world.alice.post("/v2/datasets?name=a_b", status=400)
        assert bad["type"] == "invalid-input"


async def test_update_delete_and_list() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"a": 1})
        await filled(world.alice, name="other")
        updated = await world.alice.put(f"/v2/datasets/{dataset['id']}", {"name": "named", "title": "A title"})
        assert (updated["name"], updated["title"]) == ("named", "A title")
        clash = await world.alice.put(f"/v2/datasets/{dataset['id']}", {"name": "other"}, status=400)
        assert clash["type"] == "name-not-unique"
        answer = await world.alice.request("GET", "/v2/datasets?limit=0")
        ListOfDatasetsResponse.model_validate(answer.json)
        page = answer.json["data"]
        assert (page["total"], page["count"], page["limit"], page["unnamed"]) == (2, 2, 1000, False)
        nameless = await filled(world.alice)
        answer = await world.alice.request("GET", "/v2/datasets?unnamed=1")
        ListOfDatasetsResponse.model_validate(answer.json)
        names = {item["id"]: item["name"] for item in answer.json["data"]["items"]}
        assert names[nameless["id"]] == nameless["id"]
        assert (await world.alice.get("/v2/datasets?ownership=sharedWithMe"))["items"] == []
        await world.alice.delete(f"/v2/datasets/{dataset['id']}")
        gone = await world.alice.get(f"/v2/datasets/{dataset['id']}", status=404)
        assert gone["type"] == "record-not-found"
        await world.alice.delete(f"/v2/datasets/{dataset['id']}", status=404)


async def test_items_and_their_headers() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, *({"n": n} for n in range(5)))
        target = f"/v2/datasets/{dataset['id']}/items"
        answer = await world.alice.request("GET", target)
        assert answer.json == [{"n": n} for n in range(5)]
        paging = {name: value for name, value in answer.headers.items() if name.startswith("x-apify-pagination")}
        assert paging == {
            "x-apify-pagination-offset": "0",
            "x-apify-pagination-limit": "999999999999",
            "x-apify-pagination-count": "5",
            "x-apify-pagination-total": "5",
            "x-apify-pagination-desc": "false",
        }
        page = await world.alice.request("GET", f"{target}?offset=1&limit=2&desc=1")
        assert page.json == [{"n": 3}, {"n": 2}]
        assert page.headers["x-apify-pagination-count"] == "2"
        head = await world.alice.request("HEAD", f"{target}?format=csv")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == "text/csv; charset=utf-8"
        assert head.headers["x-apify-pagination-total"] == "5"


@pytest.mark.parametrize(
    ("format", "media_type", "start"),
    [
        ("json", "application/json", b"[{"),
        ("jsonl", "application/jsonl", b'{"'),
        ("csv", "text/csv", b"\xef\xbb\xbfn"),
        ("xml", "application/xml", b"<?xml"),
        ("rss", "application/rss+xml", b"<?xml"),
        ("html", "text/html", b"<!DOCTYPE"),
    ],
)
async def test_formats(format: str, media_type: str, start: bytes) -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"n": "é"}, name="things")
        target = f"/v2/datasets/{dataset['id']}/items?format={format}"
        answer = await world.alice.request("GET", f"{target}&attachment=true")
        assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="dataset_things.{format}"')
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.body.startswith(start)
        assert "é".encode() in answer.body
        with_bom = await world.alice.request("GET", f"{target}&bom=1")
        without = await world.alice.request("GET", f"{target}&bom=0")
        assert with_bom.body == b"\xef\xbb\xbf" + without.body


async def test_csv_parameters() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"a": [1, {"b": 2}], "#h": 1}, {"c": None}, {})
        target = f"/v2/datasets/{dataset['id']}/items?format=csv&bom=0"
        full = await world.alice.request("GET", target)
        assert full.body == b"a/0,a/1/b,#h,c\r\n1,2,1,\r\n,,,\r\n,,,\r\n"
        chosen = await world.alice.request("GET", f"{target}&fields=c,a&clean=1&delimiter=;&skipHeaderRow=1")
        assert chosen.body == b";1;2\r\n;;\r\n"
        none = await world.alice.get(f"{target}&fields=absent", status=400)
        assert none["type"] == "no-columns-in-exported-dataset"


@pytest.mark.parametrize(
    ("query", "type"),
    [
        ("format=pdf", None),
        ("offset=-1", None),
        ("limit=x", None),
        ("view=absent", "dataset-does-not-have-schema"),
        ("format=csv&delimiter=ab", "invalid-value"),
        ("outputFields=a", "invalid-value"),
    ],
)
async def test_bad_parameters(query: str, type: str | None) -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"n": 1})
        error = await world.alice.get(f"/v2/datasets/{dataset['id']}/items?{query}", status=400)
        assert type in (None, error["type"])


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b'"x"', b'[{"a":"\xff"}]'])
async def test_bad_pushes(body: bytes) -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice)
        headers = {"content-type": "application/json"}
        answer = await world.alice.request("POST", f"/v2/datasets/{dataset['id']}/items", body=body, headers=headers)
        assert answer.status == 400
        assert (await world.alice.get(f"/v2/datasets/{dataset['id']}"))["itemCount"] == 0


async def test_pushes_may_be_compressed_and_have_a_cap() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice)
        target = f"/v2/datasets/{dataset['id']}/items"
        items = [{"n": n, "text": "x" * 1000} for n in range(200)]
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        body = gzip.compress(msgspec.json.encode(items))
        assert (await world.alice.request("POST", target, body=body, headers=headers)).status == 201
        assert (await world.alice.request("GET", target)).json == items
        bomb = gzip.compress(b"[" + b" " * BODY_BYTES_MAX + b"]")
        refused = await world.alice.request("POST", target, body=bomb, headers=headers)
        assert (refused.status, refused.json["error"]["type"]) == (413, "request-too-large")


async def test_a_large_dataset_is_streamed() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice)
        target = f"/v2/datasets/{dataset['id']}/items"
        items = [{"n": n, "text": "x" * 1000} for n in range(1000)]
        for first in range(0, 1000, 250):
            await world.alice.request("POST", target, json=items[first : first + 250])
        answer = await world.alice.request("GET", target)
        assert answer.json == items
        assert "content-length" not in answer.headers


async def test_refusals_do_not_tell_what_exists(subtests: pytest.Subtests) -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"secret": 1}, name="hidden")
        attempts = [
            ("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/items"), ("HEAD", "/items"), ("POST", "/items"),
            ("GET", "/statistics"), ("GET", "/items?signature=MC4wLmFiYw"),
        ]  # fmt: skip
        for method, rest in attempts:
            for there, absent in ((dataset["id"], "x" * 17), ("alice~hidden", "alice~absent")):
                with subtests.test(method=method, rest=rest, address=there):
                    await check_refusal(world, method, rest, there=there, absent=absent)


async def check_refusal(world: StorageWorld, method: str, rest: str, *, there: str, absent: str) -> None:
    json = {} if method in ("PUT", "POST") else None
    for client in (world.bob, world.nobody):
        refused = await client.request(method, f"/v2/datasets/{there}{rest}", json=json)
        missing = await client.request(method, f"/v2/datasets/{absent}{rest}", json=json)
        assert (refused.status, refused.body) == (missing.status, missing.body)
        if client is world.bob:
            assert refused.status == (403 if "signature" in rest else 404)
        else:
            assert refused.status == (401 if json is not None or method == "DELETE" else 403)
        if refused.body and client is world.bob:
            assert INSUFFICIENT in refused.json["error"]["message"]


async def test_signatures_open_items_alone() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"n": 1})
        link = path_of((await world.alice.get(f"/v2/datasets/{dataset['id']}"))["itemsPublicUrl"])
        for client in (world.nobody, world.bob):
            assert (await client.request("GET", f"{link}&format=csv&bom=0")).body == b"n\r\n1\r\n"
        assert (await world.nobody.request("HEAD", link)).status == 200
        signature = link.partition("?")[2]
        assert (await world.nobody.request("GET", f"/v2/datasets/{dataset['id']}?{signature}")).status == 403
        await world.clock.advance(14 * 86_400 + 1)
        expired = await world.nobody.get(link, status=403)
        assert expired == {"type": "insufficient-permissions", "message": INSUFFICIENT}


async def test_open_datasets_need_no_token() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"n": 1})
        access = {"generalAccess": "ANYONE_WITH_ID_CAN_READ"}
        updated = await world.alice.put(f"/v2/datasets/{dataset['id']}", access)
        assert "signature" not in updated["itemsPublicUrl"]
        seen = await world.nobody.get(f"/v2/datasets/{dataset['id']}")
        assert "urlSigningSecretKey" not in seen
        assert (await world.nobody.request("GET", path_of(updated["itemsPublicUrl"]))).json == [{"n": 1}]
        refused = await world.bob.delete(f"/v2/datasets/{dataset['id']}", status=403)
        assert refused["type"] == "insufficient-permissions"
        bad = await world.alice.put(f"/v2/datasets/{dataset['id']}", {"generalAccess": "EVERYONE"}, status=400)
        assert bad["type"] == "invalid-input"


async def test_statistics_need_a_schema() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice)
        error = await world.alice.get(f"/v2/datasets/{dataset['id']}/statistics", status=400)
        assert error["type"] == "dataset-does-not-have-schema"
        with_schema = await world.alice.post("/v2/datasets", {"schema": {"views": {}}})
        assert with_schema["schema"] == {"views": {}}
        error = await world.alice.get(f"/v2/datasets/{with_schema['id']}/statistics", status=400)
        assert error["type"] == "dataset-does-not-have-fields-schema"
