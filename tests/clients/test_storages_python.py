"""The storages from the official Python client, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from apify_client import ApifyClientAsync
from apify_client.errors import ApifyApiError

from actorium.http.server import bind, serve
from actorium.request_queues.requests import request_id
from storage_world import open_storages

pytestmark = [pytest.mark.anyio, pytest.mark.clients]

PERMISSIONS = "Make sure you're passing a correct API token and that it has the required permissions."


class Site:
    """Two users' clients of one server."""

    def __init__(self, alice: ApifyClientAsync, bob: ApifyClientAsync) -> None:
        self.alice = alice
        self.bob = bob


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_storages() as world, serve(world.app, bind("127.0.0.1", 0)) as bound:
        _, alice = await world.users.create("alice-on-a-socket")
        _, bob = await world.users.create("bob-on-a-socket")
        yield Site(*(ApifyClientAsync(token, api_url=bound.url, api_public_url=bound.url) for token in (alice, bob)))


def items(count: int) -> list[dict[str, Any]]:
    return [{"n": n, "#hidden": n, "nested": {"list": [n, {"é": None}]}} for n in range(count)]


async def test_datasets(site: Site) -> None:
    made = await site.alice.datasets().get_or_create(name="things")
    dataset = site.alice.dataset(made.id)
    await dataset.push_items(items(10))
    await dataset.push_items('{"n": 10}')
    page = await dataset.list_items(limit=3, offset=2, desc=True)
    assert [item["n"] for item in page.items] == [8, 7, 6]
    assert (page.total, page.offset, page.count, page.limit, page.desc) == (11, 2, 3, 3, True)
    assert [item["n"] async for item in dataset.iterate_items(chunk_size=4)] == list(range(11))
    clean = await dataset.list_items(clean=True, flatten=["nested"], fields=["n", "nested.list"])
    assert clean.items[0] == {"n": 0, "nested.list": [0, {"é": None}]}
    lines = await dataset.get_items_as_bytes(item_format="csv", fields=["n"], bom=False)
    assert lines.decode().split() == ["n", *(str(n) for n in range(11))]
    async with dataset.stream_items(item_format="jsonl") as stream:
        assert len((await stream.aread()).splitlines()) == 11
    assert (await dataset.update(title="All things")).title == "All things"
    assert [one.id for one in (await site.alice.datasets().list()).items] == [made.id]
    with pytest.raises(ApifyApiError, match=f"Insufficient permissions for the dataset. {PERMISSIONS}"):
        await site.bob.dataset(made.id).list_items()
    link = await dataset.create_items_public_url()
    signature = link.partition("signature=")[2]
    assert (await site.bob.dataset(made.id).list_items(signature=signature)).total == 11
    assert await site.bob.dataset(made.id).get() is None
    await dataset.delete()
    assert await dataset.get() is None


@pytest.mark.parametrize("size", [0, 100, 5000, 200_000])
async def test_records(site: Site, size: int) -> None:
    made = await site.alice.key_value_stores().get_or_create()
    store = site.alice.key_value_store(made.id)
    await store.set_record("OUTPUT", {"text": "é" * size})
    await store.set_record("text", "é" * size)
    await store.set_record("page.html", f"<p>{'x' * size}</p>", content_type="text/html")
    await store.set_record("bytes", b"\xff" * size, content_type="image/png")
    records = {key: await store.get_record(key) for key in ("OUTPUT", "text", "page.html", "bytes")}
    values = [record["value"] if record else None for record in records.values()]
    assert values == [{"text": "é" * size}, "é" * size, f"<p>{'x' * size}</p>", b"\xff" * size]
    assert records["OUTPUT"] is not None
    assert records["OUTPUT"]["content_type"] == "application/json; charset=utf-8"
    raw = await store.get_record_as_bytes("bytes")
    assert raw is not None
    assert raw["value"] == b"\xff" * size
    async with store.stream_record("text") as streamed:
        assert streamed is not None
        assert (await streamed["value"].aread()).decode() == "é" * size
    assert await store.record_exists("OUTPUT")
    await store.delete_record("OUTPUT")
    assert not await store.record_exists("OUTPUT")
    assert await store.get_record("OUTPUT") is None


async def test_keys_and_signed_records(site: Site) -> None:
    made = await site.alice.key_value_stores().get_or_create(name="results")
    store = site.alice.key_value_store(made.id)
    for key in ("b", "a!(1)", "a-2"):
        await store.set_record(key, key)
    page = await store.list_keys(limit=2)
    assert [item.key for item in page.items] == ["a!(1)", "a-2"]
    assert (page.is_truncated, page.next_exclusive_start_key) == (True, "a-2")
    assert [item.key async for item in store.iterate_keys(prefix="a", chunk_size=1)] == ["a!(1)", "a-2"]
    signature = (await store.get_record_public_url("a!(1)")).partition("signature=")[2]
    opened = await site.bob.key_value_store(made.id).get_record("a!(1)", signature=signature)
    assert opened is not None
    assert opened["value"] == "a!(1)"
    with pytest.raises(ApifyApiError, match=f"Insufficient permissions for the key-value store. {PERMISSIONS}"):
        await site.bob.key_value_store(made.id).list_keys()
    keys_signature = (await store.create_keys_public_url()).partition("signature=")[2]
    assert len((await site.bob.key_value_store(made.id).list_keys(signature=keys_signature)).items) == 3
    assert [one.name for one in (await site.alice.key_value_stores().list()).items] == ["results"]


async def test_request_queues(site: Site) -> None:
    made = await site.alice.request_queues().get_or_create(name="todo")
    first = site.alice.request_queue(made.id, client_key="first")
    second = site.alice.request_queue(made.id, client_key="second")
    urls = [f"https://example.com/{n}" for n in range(60)]
    added = await first.batch_add_requests([{"url": url, "unique_key": url, "method": "GET"} for url in urls])
    assert len(added.processed_requests) == 60
    assert not added.unprocessed_requests
    one = await first.add_request({"url": "https://example.com/front", "unique_key": "front"}, forefront=True)
    assert one.request_id == request_id("front")
    locked = await first.list_and_lock_head(lock_duration=timedelta(seconds=60), limit=25)
    assert locked.items[0].unique_key == "front"
    assert len(locked.items) == 25
    assert len((await second.list_head(limit=100)).items) == 36
    with pytest.raises(ApifyApiError, match="locked by another client"):
        await second.delete_request_lock(one.request_id)
    await first.prolong_request_lock(one.request_id, lock_duration=timedelta(seconds=90))
    request = await first.get_request(one.request_id)
    assert request is not None
    handled = {"id": one.request_id, "url": request.url, "unique_key": "front", "handled_at": "2026-01-01T00:00:00Z"}
    assert not (await first.update_request(handled)).was_already_handled
    assert (await first.unlock_requests()).unlocked_count == 24
    assert [one.id async for one in first.iterate_requests(chunk_size=7)] == sorted(
        [request_id(url) for url in urls] + [request_id("front")]
    )
    deleted = await first.batch_delete_requests([{"unique_key": urls[0]}, {"id": request_id(urls[1])}])
    assert len(deleted.processed_requests) == 2
    queue = await first.get()
    assert queue is not None
    assert (queue.total_request_count, queue.handled_request_count, queue.pending_request_count) == (59, 1, 58)
    assert queue.had_multiple_clients
    listed = await site.alice.request_queues().list()
    assert [one.name for one in listed.items] == ["todo"]
    assert await site.bob.request_queue(made.id).get() is None
