"""What key-value stores must do on every pairing."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actorium.kernel.errors import Forbidden, NotFound
from actorium.kernel.limits import INLINE_BYTES_MAX, SWEPT_ROWS_PER_WRITE, ZIP_READ_RECORDS
from actorium.key_value_stores.conditions import Span
from actorium.key_value_stores.errors import InvalidRecordKey, RecordInvalid, RecordNotFound, UnknownCollection
from actorium.key_value_stores.model import KeysQuery, RecordsQuery
from actorium.key_value_stores.reading import Content, Wanted
from actorium.storages.model import GeneralAccess, UpdateStorage
from actorium.testing.conformance.stores import ALICE, BOB, Shelf, StoresConformance


async def pieces(content: bytes, *, of: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), of):
        yield content[start : start + of]


async def put(shelf: Shelf, store_id: str, key: str, content: bytes, *, content_type: str = "text/plain") -> None:
    await shelf.stores.put(ALICE, store_id, key, pieces(content), content_type=content_type)


async def body(content: Content) -> bytes:
    if isinstance(content.body, bytes):
        return content.body
    return b"".join([piece async for piece in content.body])


async def get(shelf: Shelf, store_id: str, key: str) -> bytes:
    return await body(await shelf.stores.read(ALICE, store_id, key))


def part_of(start: int, end: int) -> Wanted:
    """Those bytes of any record."""
    return lambda _: Span(start, end)


SIZES = [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 1_000_000]


class KeyValueStoresConformance(StoresConformance):
    """Key-value stores and their records."""

    @pytest.fixture
    async def store(self, shelf: Shelf) -> str:
        view, _ = await shelf.stores.get_or_create(ALICE, None)
        return view.id

    @pytest.mark.parametrize("size", SIZES)
    async def test_a_record_comes_back(self, shelf: Shelf, store: str, size: int) -> None:
        content = bytes(at * 7 % 256 for at in range(size))
        await put(shelf, store, "OUTPUT", content, content_type="text/plain; charset=Latin-1")
        found = await shelf.stores.read(ALICE, store, "OUTPUT")
        assert await body(found) == content
        assert (found.record.size, found.record.content_type) == (size, "text/plain; charset=Latin-1")
        assert len(await shelf.blob_keys()) == int(size > INLINE_BYTES_MAX)

    async def test_writing_over_replaces_and_counts(self, shelf: Shelf, store: str) -> None:
        versions = set()
        for content in (b"a" * 100_000, b"b", b"c" * 200_000, b"d" * 10):
            await put(shelf, store, "key", content)
            assert await get(shelf, store, "key") == content
            view = await shelf.stores.get(ALICE, store)
            assert view.stats.storage_bytes == len(content)
            versions.add((await shelf.stores.read(ALICE, store, "key")).record.version)
        assert len(versions) == 4
        assert await shelf.discarded() == await shelf.blob_keys()

    async def test_racing_writes_leave_one_whole(self, shelf: Shelf, store: str) -> None:
        contents = [bytes([at]) * (100_000 if at % 2 else 50) for at in range(16)]
        await asyncio.gather(*(put(shelf, store, "key", content) for content in contents))
        final = await get(shelf, store, "key")
        assert final in contents
        view = await shelf.stores.get(ALICE, store)
        assert (view.stats.storage_bytes, view.stats.write_count) == (len(final), 16)
        [row] = await shelf.rows("SELECT blob_key FROM key_value_records")
        assert await shelf.blob_keys() - await shelf.discarded() == ({row["blob_key"]} - {None})

    async def test_delete_is_idempotent(self, shelf: Shelf, store: str) -> None:
        await put(shelf, store, "key", b"x" * 100_000)
        for _ in range(2):
            await shelf.stores.delete_record(ALICE, store, "key")
        with pytest.raises(RecordNotFound):
            await shelf.stores.read(ALICE, store, "key")
        view = await shelf.stores.get(ALICE, store)
        assert (view.stats.storage_bytes, view.stats.delete_count) == (0, 1)
        assert await shelf.discarded() == await shelf.blob_keys()

    async def test_keys_are_in_byte_order(self, shelf: Shelf, store: str) -> None:
        keys = ["b", "B", "a", "a-b", "a_b", "a.b", "A", "(z)", "!", "'", "0", "aa", "_"]
        for key in keys:
            await put(shelf, store, key, b"x" * 3)
        expected = sorted(keys, key=str.encode)
        page = await shelf.stores.keys(ALICE, store, KeysQuery())
        assert [entry.key for entry in page.items] == expected
        assert (page.is_truncated, page.next_exclusive_start_key) == (False, None)
        assert {entry.size for entry in page.items} == {3}
        seen: list[str] = []
        query = KeysQuery(limit=4)
        while True:
            page = await shelf.stores.keys(ALICE, store, query)
            seen += [entry.key for entry in page.items]
            if page.next_exclusive_start_key is None:
                break
            assert (page.count, page.is_truncated) == (4, True)
            query = KeysQuery(limit=4, exclusive_start_key=page.next_exclusive_start_key)
        assert seen == expected

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"prefix": "a"}, ["a", "a.b", "aa"]),
            ({"prefix": "a", "exclusive_start_key": "a.b"}, ["aa"]),
            ({"prefix": "a", "exclusive_start_key": "b"}, []),
            ({"prefix": "zz"}, []),
            ({"prefix": "é"}, []),
            ({"exclusive_start_key": "é"}, []),
            ({"limit": 0, "exclusive_start_key": "aa"}, ["b"]),
        ],
    )
    async def test_prefix_and_cursor(
        self, shelf: Shelf, store: str, query: dict[str, Any], expected: list[str]
    ) -> None:
        for key in ("a", "aa", "a.b", "b", "A"):
            await put(shelf, store, key, b"")
        page = await shelf.stores.keys(ALICE, store, KeysQuery(**query))
        assert [entry.key for entry in page.items] == expected

    @pytest.mark.parametrize("key", ["", "a/b", "a b", "é", "a\n", "a" * 257, "a\0"])
    async def test_invalid_keys(self, shelf: Shelf, store: str, key: str) -> None:
        with pytest.raises(InvalidRecordKey):
            await put(shelf, store, key, b"x")
        with pytest.raises(InvalidRecordKey):
            await shelf.stores.read(ALICE, store, key)

    async def test_a_body_that_fails_leaves_nothing(self, shelf: Shelf, store: str) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"x" * 200_000
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await shelf.stores.put(ALICE, store, "key", broken(), content_type=None)
        assert await shelf.blob_keys() == set()
        with pytest.raises(RecordNotFound):
            await shelf.stores.read(ALICE, store, "key")

    async def test_a_prepared_payload_joins_another_work(self, shelf: Shelf) -> None:
        for size in SIZES:
            payload = await shelf.stores.prepare(b"i" * size)
            store_id = shelf.ids.new()

            def work(tx: Any, payload: Any = payload, store_id: str = store_id) -> None:
                now = shelf.clock.now()
                shelf.stores.create_in(tx, id=store_id, owner_id=ALICE.user_id, now=now, created_by_run="r")
                shelf.stores.put_in(
                    tx, store_id=store_id, key="INPUT", payload=payload, content_type="application/json", now=now
                )

            await shelf.database.write(work)
            assert await get(shelf, store_id, "INPUT") == b"i" * size
            assert await body(await shelf.stores.get_as_server(store_id, "INPUT")) == b"i" * size

    async def test_deleted_contents_leave_in_steps(self, shelf: Shelf, store: str) -> None:
        await put(shelf, store, "large", b"x" * 100_000)
        await asyncio.gather(*(put(shelf, store, f"k{n}", b"x") for n in range(SWEPT_ROWS_PER_WRITE + 5)))
        await shelf.stores.delete(ALICE, store)
        await shelf.sweeper.tick()
        assert await shelf.rows("SELECT * FROM key_value_records") == []
        assert await shelf.discarded() == await shelf.blob_keys()
        with pytest.raises(NotFound):
            await put(shelf, store, "key", b"x" * 100_000)
        assert await shelf.discarded() == await shelf.blob_keys()

    async def test_others_neither_see_nor_learn(self, shelf: Shelf, store: str) -> None:
        await put(shelf, store, "key", b"secret")
        for attempt in (
            shelf.stores.get(BOB, store),
            shelf.stores.keys(BOB, store, KeysQuery()),
            shelf.stores.put(BOB, store, "key", pieces(b"x"), content_type=None),
            shelf.stores.delete_record(BOB, store, "key"),
            shelf.stores.delete(BOB, store),
        ):
            with pytest.raises(NotFound, match="Insufficient permissions for the key-value store"):
                await attempt
        for there, key in ((store, "key"), (store, "absent"), ("nothere0000000000", "key")):
            with pytest.raises(Forbidden, match="Insufficient permissions for the key-value store"):
                await shelf.stores.read(BOB, there, key)
        assert await get(shelf, store, "key") == b"secret"

    @pytest.mark.parametrize("size", [10, INLINE_BYTES_MAX + 300_000])
    async def test_a_part_of_a_record(self, shelf: Shelf, store: str, size: int) -> None:
        content = bytes(at * at % 251 for at in range(size))
        await put(shelf, store, "key", content)
        for start, end in ((0, 1), (3, 7), (size - 2, size), (0, size), (5, 5)):
            part = await shelf.stores.read(ALICE, store, "key", wanted=part_of(start, end))
            assert await body(part) == content[start:end]
        nothing = await shelf.stores.read(ALICE, store, "key", wanted=lambda _: None)
        assert (await body(nothing), nothing.record.size) == (b"", size)

    async def test_small_records_for_a_store_that_is_known(self, shelf: Shelf, store: str) -> None:
        """What takes no look at the store before the write is refused by the write itself."""
        for at in range(3):
            await shelf.stores.put(ALICE, store, "key", b"x" * 10, content_type="text/plain")
            view = await shelf.stores.get(ALICE, store)
            assert (view.stats.storage_bytes, view.stats.write_count) == (10, at + 1)
        with pytest.raises(NotFound):
            await shelf.stores.put(BOB, store, "key", b"bad", content_type="text/plain")
        access = UpdateStorage(general_access=GeneralAccess.ANYONE_WITH_ID_CAN_READ)
        await shelf.stores.update(ALICE, store, access)
        with pytest.raises(Forbidden, match="for reading only"):
            await shelf.stores.put(BOB, store, "key", b"bad", content_type="text/plain")
        assert await get(shelf, store, "key") == b"x" * 10
        await shelf.stores.delete(ALICE, store)
        with pytest.raises(NotFound):
            await shelf.stores.put(ALICE, store, "key", b"late", content_type="text/plain")

    async def test_collections(self, shelf: Shelf) -> None:
        collections = {
            "images": {"keyPrefix": "image-", "contentTypes": ["image/png"]},
            "report": {"key": "REPORT", "jsonSchema": {"required": ["total"]}},
        }
        view, _ = await shelf.stores.get_or_create(ALICE, None, schema={"collections": collections})
        for _ in range(2):
            with pytest.raises(RecordInvalid):
                await put(shelf, view.id, "image-1", b"x")
            with pytest.raises(RecordInvalid):
                await shelf.stores.put(ALICE, view.id, "REPORT", b"{}", content_type="application/json")
        await put(shelf, view.id, "image-1", b"x" * 100_000, content_type="image/png")
        await put(shelf, view.id, "REPORT", b'{"total": 1}', content_type="application/json")
        await put(shelf, view.id, "other", b"x")
        for collection, expected in (("images", ["image-1"]), ("report", ["REPORT"])):
            page = await shelf.stores.keys(ALICE, view.id, KeysQuery(collection=collection))
            assert [entry.key for entry in page.items] == expected
        with pytest.raises(UnknownCollection):
            await shelf.stores.keys(ALICE, view.id, KeysQuery(collection="others"))

    async def test_packed(self, shelf: Shelf, store: str) -> None:
        records = {f"k{at:03}": bytes([at % 251]) * (at * 997 % 90_000) for at in range(ZIP_READ_RECORDS + 20)}
        await asyncio.gather(*(put(shelf, store, key, content) for key, content in records.items()))
        found = await shelf.stores.packed(ALICE, store, RecordsQuery())
        with zipfile.ZipFile(io.BytesIO(b"".join([piece async for piece in found.content]))) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == records
        with pytest.raises(NotFound):
            await shelf.stores.packed(BOB, store, RecordsQuery())
