"""Key-value stores over HTTP, as the contract words it."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import brotli
import pytest
from apify_client._models import KeyValueStoreResponse, ListOfKeysResponse, ListOfKeyValueStoresResponse

from actorium.kernel.limits import INLINE_BYTES_MAX, RECORD_BYTES_MAX
from asgi_client import Answer
from storage_world import StorageWorld, open_storages, path_of
from world import Client

pytestmark = pytest.mark.anyio

TEXT = b"some text, again and again; " * 4000
CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}


async def new_store(world: StorageWorld, name: str = "") -> str:
    made = await world.alice.post(f"/v2/key-value-stores{'?name=' if name else ''}{name}")
    return f"/v2/key-value-stores/{made['id']}"


async def put(client: Client, target: str, content: Any, **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("PUT", target, body=content, headers=sent)


async def test_the_object() -> None:
    async with open_storages() as world:
        made = await world.alice.request("POST", "/v2/key-value-stores?name=results", json={})
        again = await world.alice.request("POST", "/v2/key-value-stores?name=results")
        assert (made.status, again.status) == (201, 200)
        KeyValueStoreResponse.model_validate(made.json)
        store = made.json["data"]
        assert again.json["data"]["id"] == store["id"]
        assert made.headers["location"] == f"/v2/key-value-stores/{store['id']}"
        updated = await world.alice.put("/v2/key-value-stores/~results", {"title": "T"})
        assert updated["title"] == "T"
        page = await world.alice.request("GET", "/v2/key-value-stores")
        ListOfKeyValueStoresResponse.model_validate(page.json)
        assert page.json["data"]["total"] == 1
        await world.alice.delete("/v2/key-value-stores/~results")
        gone = await world.alice.get(f"/v2/key-value-stores/{store['id']}", status=404)
        assert gone["type"] == "record-not-found"


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_record_is_kept_as_sent(method: str) -> None:
    async with open_storages() as world:
        target = f"{await new_store(world)}/records/OUTPUT"
        headers = {"content-type": "Text/Plain; charset=latin-1"}
        answer = await world.alice.request(method, target, body=b"caf\xe9", headers=headers)
        assert (answer.status, answer.body, answer.headers["location"]) == (201, b"{}", target)
        found = await world.alice.request("GET", target)
        assert (found.status, found.body) == (200, b"caf\xe9")
        assert found.headers["content-type"] == "Text/Plain; charset=latin-1"
        assert found.headers["content-length"] == "4"
        head = await world.alice.request("HEAD", target)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "4")
        await world.alice.delete(target)
        await world.alice.delete(target)
        missing = await world.alice.get(target, status=404)
        assert missing["type"] == "record-not-found"
        assert (await world.alice.request("HEAD", target)).status == 404


async def test_types_that_clients_trip_over() -> None:
    async with open_storages() as world:
        target = f"{await new_store(world)}/records/r"
        await put(world.alice, target, b"x")
        assert (await world.alice.request("GET", target)).headers["content-type"] == "application/octet-stream"
        await put(world.alice, target, b"", content_type="application/json; charset=utf-8")
        empty = await world.alice.request("GET", target)
        assert (empty.status, empty.body, empty.headers["content-type"]) == (200, b"", "application/octet-stream")


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("large", [False, True])
async def test_codings_are_kept_and_undone_on_demand(coding: str, large: bool) -> None:
    async with open_storages() as world:
        target = f"{await new_store(world)}/records/r"
        plain = bytes(at * at % 251 for at in range(400_000)) if large else TEXT
        sent = CODINGS[coding](plain)
        await put(world.alice, target, [sent[:10], sent[10:]], content_type="text/plain", content_encoding=coding)
        for accept in ("gzip, deflate, br", "*", f"{coding};q=0.5"):
            kept = await world.alice.request("GET", target, headers={"accept-encoding": accept})
            assert (kept.body, kept.headers["content-encoding"]) == (sent, coding)
        for accept in ({}, {"accept-encoding": "identity"}, {"accept-encoding": f"{coding};q=0, zstd"}):
            undone = await world.alice.request("GET", target, headers=accept)
            assert undone.body == plain
            assert "content-encoding" not in undone.headers


@pytest.mark.parametrize(
    ("coding", "content", "status"),
    [
        ("gzip", b"no gzip at all", 400),
        ("gzip", gzip.compress(TEXT)[:-20], 400),
        ("br", b"\xff\xff\xff", 400),
        ("zstd", b"x", 415),
        ("br", brotli.compress(b"\0" * 300_000_000, quality=1), 413),
        ("gzip", gzip.compress(b"\0" * 50_000_000), 413),
    ],
)
async def test_codings_that_lie_store_nothing(coding: str, content: bytes, status: int) -> None:
    async with open_storages() as world:
        target = f"{await new_store(world)}/records/r"
        answer = await put(world.alice, target, content, content_encoding=coding)
        assert answer.status == status
        assert (await world.alice.request("HEAD", target)).status == 404
        assert [key async for key in world.blobs.keys("")] == []


async def test_large_records_are_streamed_and_capped() -> None:
    async with open_storages() as world:
        target = f"{await new_store(world)}/records/r"
        pieces = [bytes([at]) * 100_000 for at in range(120)]
        assert (await put(world.alice, target, pieces)).status == 201
        found = await world.alice.request("GET", target)
        assert found.body == b"".join(pieces)
        assert found.headers["content-length"] == "12000000"
        too_large = await put(world.alice, target, b"", content_length=str(RECORD_BYTES_MAX + 1))
        assert (too_large.status, too_large.json["error"]["type"]) == (413, "request-too-large")
        assert (await world.alice.request("GET", target)).body == found.body


async def test_html_cannot_attack_the_origin() -> None:
    async with open_storages() as world:
        target = f"{await new_store(world)}/records/page"
        for kind in ("text/html; charset=utf-8", "Image/SVG+xml"):
            await put(world.alice, target, b"<script>alert(1)</script>", content_type=kind)
            page = await world.alice.request("GET", target)
            assert page.headers["content-security-policy"].startswith("sandbox")
            assert "allow-same-origin" not in page.headers["content-security-policy"]
            assert page.headers["x-content-type-options"] == "nosniff"
        refused = await world.alice.request("GET", target, headers={"service-worker": "script"})
        assert refused.json["error"]["type"] == "service-worker-registration-not-allowed"


async def test_compressed_html() -> None:
    async with open_storages() as world:
        target = f"{await new_store(world)}/records/page"
        html = b"<p>text</p>" * 500
        headers = {"content_type": "text/html", "content_encoding": "gzip"}
        refused = await put(world.alice, target, gzip.compress(html), **headers)
        assert (refused.status, refused.json["error"]["type"]) == (403, "content-encoding-forbidden-for-html")
        agent = "ApifyClient/3.4.0 (linux; Python/3.11); isAtHome/True"
        assert (await put(world.alice, target, gzip.compress(html), user_agent=agent, **headers)).status == 201
        stored = await world.alice.request("GET", target, headers={"accept-encoding": "gzip"})
        assert stored.body == html


async def test_revalidation_and_attachment() -> None:
    async with open_storages() as world:
        target = f"{await new_store(world)}/records/report.csv"
        await put(world.alice, target, b"x" * (INLINE_BYTES_MAX + 1), content_type="text/csv")
        first = await world.alice.request("GET", f"{target}?attachment=1")
        assert first.headers["content-disposition"].startswith('attachment; filename="report.csv"')
        again = await world.alice.request("GET", target, headers={"if-none-match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        await put(world.alice, target, b"y", content_type="text/csv")
        changed = await world.alice.request("GET", target, headers={"if-none-match": first.headers["etag"]})
        assert (changed.status, changed.body) == (200, b"y")


@pytest.mark.parametrize("key", ["a!-_.'()Z9", "a%21-_.%27%28%29Z9"])
async def test_keys_raw_and_encoded(key: str) -> None:
    async with open_storages() as world:
        store = await new_store(world)
        await put(world.alice, f"{store}/records/{key}", b"x")
        answer = await world.alice.request("GET", f"{store}/keys?prefix=a%21")
        ListOfKeysResponse.model_validate(answer.json)
        page = answer.json["data"]
        assert [item["key"] for item in page["items"]] == ["a!-_.'()Z9"]
        assert (page["count"], page["limit"], page["isTruncated"], page["nextExclusiveStartKey"]) == (
            1,
            1000,
            False,
            None,
        )
        assert page["exclusiveStartKey"] is None


async def test_bad_keys_and_collections() -> None:
    async with open_storages() as world:
        store = await new_store(world)
        for key in ("a%20b", "%C3%A9", "a%2Fb", "a" * 257):
            for method in ("GET", "HEAD", "PUT", "DELETE"):
                answer = await world.alice.request(method, f"{store}/records/{key}")
                assert answer.status == 400
                assert method == "HEAD" or answer.json["error"]["type"] == "invalid-record-key"
        error = await world.alice.get(f"{store}/keys?collection=x", status=400)
        assert error["type"] == "invalid-collection"


async def test_signatures() -> None:
    async with open_storages() as world:
        store = await new_store(world)
        await put(world.alice, f"{store}/records/a", b"A")
        await put(world.alice, f"{store}/records/b", b"B")
        view = await world.alice.get(store)
        keys_link = path_of(view["keysPublicUrl"])
        listed = (await world.nobody.get(keys_link))["items"]
        link = path_of(listed[0]["recordPublicUrl"])
        assert (await world.nobody.request("GET", link)).body == b"A"
        assert (await world.nobody.request("HEAD", link)).status == 200
        other = link.replace("/records/a", "/records/b")
        assert (await world.nobody.get(other, status=403))["type"] == "insufficient-permissions"
        assert (await world.nobody.request("GET", f"{store}?{link.partition('?')[2]}")).status == 403
        await world.clock.advance(14 * 86_400 + 1)
        assert (await world.nobody.request("GET", keys_link)).status == 403
        assert (await world.nobody.request("GET", link)).status == 200, "records are signed for ever"


async def test_refusals_do_not_tell_what_exists() -> None:
    async with open_storages() as world:
        store = await new_store(world, "hidden")
        await put(world.alice, f"{store}/records/a", b"A")
        attempts = [
            *(
                ("GET", ""),
                ("PUT", ""),
                ("DELETE", ""),
                ("GET", "/keys"),
                ("GET", "/records/a"),
                ("HEAD", "/records/a"),
            ),
            *(("PUT", "/records/a"), ("DELETE", "/records/a"), ("GET", "/records/a?signature=x")),
        ]
        for method, rest in attempts:
            for here, absent in ((store, f"/v2/key-value-stores/{'x' * 17}"), ("alice~hidden", "alice~absent")):
                base, none = (name if name[0] == "/" else f"/v2/key-value-stores/{name}" for name in (here, absent))
                json = {} if (method, rest) == ("PUT", "") else None
                for client in (world.bob, world.nobody):
                    refused = await client.request(method, base + rest, json=json)
                    missing = await client.request(method, none + rest, json=json)
                    assert refused.status in (401, 403, 404)
                    assert (refused.status, refused.body) == (missing.status, missing.body)
        assert (await world.alice.request("GET", f"{store}/records/a")).body == b"A"
