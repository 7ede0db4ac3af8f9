"""All records of a store as one ZIP file."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import random
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from actorium.kernel.limits import INLINE_BYTES_MAX, ZIP_READ_RECORDS
from asgi_client import Answer
from server_world import open_server
from storage_world import StorageWorld, open_storages, path_of
from world import Client

pytestmark = pytest.mark.anyio

LARGE = bytes(at * at % 251 for at in range(INLINE_BYTES_MAX + 700_000))


async def made(world: StorageWorld, records: dict[str, bytes], *, name: str = "", schema: Any = None) -> str:
    query = f"?name={name}" if name else ""
    store = await world.alice.post(f"/v2/key-value-stores{query}", {"schema": schema})
    target = f"/v2/key-value-stores/{store['id']}"
    for key, content in records.items():
        assert (await world.alice.request("PUT", f"{target}/records/{key}", body=content)).status == 201
    return target


async def packed(client: Client, target: str) -> Answer:
    answer = await client.request("GET", target)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/zip"
    return answer


def unpacked(answer: Answer) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_every_record_is_in_it() -> None:
    records = {"OUTPUT": b'{"a": 1}', "empty": b"", "large": LARGE, "a!-_.'()Z9": b"odd"}
    async with open_storages() as world:
        target = await made(world, records, name="results")
        answer = await packed(world.alice, f"{target}/records")
        assert unpacked(answer) == records
        assert answer.headers["content-disposition"].startswith('attachment; filename="results.zip"')
        assert list(unpacked(answer)) == sorted(records, key=str.encode)
        head = await world.alice.request("HEAD", f"{target}/records")
        assert (head.status, head.body, head.headers["content-type"]) == (200, b"", "application/zip")
        assert unpacked(await packed(world.alice, "/v2/key-value-stores/~results/records")) == records


async def test_an_empty_store() -> None:
    async with open_storages() as world:
        assert unpacked(await packed(world.alice, f"{await made(world, {})}/records")) == {}


async def test_codings_are_undone() -> None:
    async with open_storages() as world:
        target = await made(world, {})
        for key, content in (("small", b"text " * 10), ("large", LARGE)):
            await world.alice.request(
                "PUT", f"{target}/records/{key}", body=gzip.compress(content), headers={"content-encoding": "gzip"}
            )
        assert unpacked(await packed(world.alice, f"{target}/records")) == {"small": b"text " * 10, "large": LARGE}


async def test_filters() -> None:
    schema = {"collections": {"images": {"keyPrefix": "image-"}, "one": {"key": "image-2"}}}
    records = {key: key.encode() for key in ("a", "image-1", "image-2", "image-22", "z")}
    async with open_storages() as world:
        target = await made(world, records, schema=schema)
        for query, expected in (
            ("prefix=image-", ["image-1", "image-2", "image-22"]),
            ("prefix=zz", []),
            ("prefix=%C3%A9", []),
            ("collection=images", ["image-1", "image-2", "image-22"]),
            ("collection=images&prefix=image-2", ["image-2", "image-22"]),
            ("collection=one", ["image-2"]),
            ("collection=one&prefix=a", []),
        ):
            assert list(unpacked(await packed(world.alice, f"{target}/records?{query}"))) == expected


async def test_keys_that_would_leave_the_folder(tmp_path: Path) -> None:
    async with open_storages() as world:
        target = await made(world, {"..": b"up", ".": b"here", "...": b"dots", "..a": b"a"})
        found = unpacked(await packed(world.alice, f"{target}/records"))
        assert found == {"%2E": b"here", "%2E%2E": b"up", "...": b"dots", "..a": b"a"}
        with zipfile.ZipFile(io.BytesIO((await packed(world.alice, f"{target}/records")).body)) as archive:
            for name in archive.namelist():
                path = (tmp_path / name).resolve()
                assert path.parent == tmp_path.resolve()


async def test_who_may_have_it() -> None:
    async with open_storages() as world:
        target = await made(world, {"a": b"A"})
        link = path_of((await world.alice.get(target))["recordsPublicUrl"])
        assert unpacked(await packed(world.nobody, link)) == {"a": b"A"}
        assert unpacked(await packed(world.nobody, f"{link}&prefix=b")) == {}
        assert (await world.nobody.request("GET", f"{target}/records")).status == 403
        assert (await world.nobody.request("GET", f"{target}/records?signature=x")).status == 403
        assert (await world.bob.get(f"{target}/records", status=404))["type"] == "record-not-found"
        await world.clock.advance(14 * 86_400 + 1)
        assert (await world.nobody.get(link, status=403))["type"] == "insufficient-permissions"


async def test_many_records_come_in_batches() -> None:
    records = {f"k{at:04}": b"x" * 50 for at in range(2 * ZIP_READ_RECORDS + 7)}
    records |= {f"m{at:02}": bytes([at]) * INLINE_BYTES_MAX for at in range(40)}
    async with open_storages() as world:
        assert unpacked(await packed(world.alice, f"{await made(world, records)}/records")) == records


async def test_records_that_change_while_it_is_made() -> None:
    """Written over and deleted after their rows were read, their blobs at once: whole entries or none."""
    chance = random.Random(1)
    records = {f"k{at}": chance.randbytes(300_000) for at in range(6)} | {"z": b"last"}
    replaced = {"k2": b"new", "k3": chance.randbytes(400_000)}
    async with open_storages() as world:
        target = await made(world, records)

        async def change() -> None:
            for key, content in replaced.items():
                await world.alice.request("PUT", f"{target}/records/{key}", body=content)
            await world.alice.delete(f"{target}/records/k4")
            old = [records[key] for key in ("k2", "k3", "k4")]
            for blob in [blob async for blob in world.blobs.keys("")]:
                if await world.blobs.get(blob) in old:
                    await world.blobs.delete(blob)

        found = await unpacked_while(world.alice, f"{target}/records", change)
        assert found == {key: content for key, content in (records | replaced).items() if key != "k4"}


async def test_a_store_that_is_deleted_while_its_file_is_made() -> None:
    chance = random.Random(2)
    records = {f"k{at:03}": chance.randbytes(INLINE_BYTES_MAX) for at in range(60)}
    async with open_storages() as world:
        target = await made(world, records)
        found = await unpacked_while(world.alice, f"{target}/records", lambda: world.alice.delete(target))
        assert 0 < len(found) <= len(records)
        assert all(records[key] == content for key, content in found.items())


async def unpacked_while(client: Client, target: str, change: Callable[[], Awaitable[Any]]) -> dict[str, bytes]:
    """The records in a file during whose sending something happens."""
    body = bytearray()
    changed = False

    async def send(message: Message) -> None:
        nonlocal changed
        body.extend(message.get("body", b""))
        if body and not changed:
            changed = True
            await change()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    scope = client.scope("GET", target, headers={"authorization": f"Bearer {client._token}"})
    await client._app(scope, receive, send)
    assert changed
    with zipfile.ZipFile(io.BytesIO(bytes(body))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_of_a_run_and_of_the_last_one() -> None:
    async with open_server() as world:
        actor = await world.actor("packed")
        task = await world.alice.post("/v2/actor-tasks", {"actId": actor, "name": "packing"})
        run = await world.alice.post(f"/v2/actor-tasks/{task['id']}/runs", {"a": 1})
        for target in (
            f"/v2/actor-runs/{run['id']}",
            f"/v2/actors/{actor}/runs/last",
            f"/v2/acts/{actor}/runs/last",
            f"/v2/actor-tasks/{task['id']}/runs/last",
        ):
            [(name, content)] = unpacked(await packed(world.alice, f"{target}/key-value-store/records")).items()
            assert (name, json.loads(content)) == ("INPUT", {"a": 1})
            assert unpacked(await packed(world.alice, f"{target}/key-value-store/records?prefix=X")) == {}


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text("aAbB-_.!'()09", min_size=1, max_size=4),
        st.binary(max_size=200) | st.integers(0, 200_000).map(lambda size: b"z" * size),
        max_size=12,
    ),
    st.text("aA.", max_size=2),
)
async def test_any_records(records: dict[str, bytes], prefix: str) -> None:
    async with open_storages() as world:
        target = await made(world, records)
        names = {".": "%2E", "..": "%2E%2E"}
        expected = {names.get(key, key): content for key, content in records.items() if key.startswith(prefix)}
        assert unpacked(await packed(world.alice, f"{target}/records?prefix={prefix}")) == expected
