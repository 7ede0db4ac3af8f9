"""What datasets must do on every pairing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from actorium.datasets.model import Format, ItemsQuery
from actorium.kernel.errors import Forbidden, InvalidInput, InvalidJson, NotFound
from actorium.kernel.limits import DATASET_BLOCK_BYTES, DATASET_INLINE_BYTES_MAX, SWEPT_ROWS_PER_WRITE
from actorium.kernel.meter import Usage
from actorium.storages.errors import NameNotUnique
from actorium.storages.model import GeneralAccess, ListQuery, UpdateStorage
from actorium.testing.conformance.stores import ALICE, BOB, Shelf, StoresConformance

Item = dict[str, Any]


async def push(shelf: Shelf, dataset_id: str, items: Iterable[Item] | Item) -> None:
    await shelf.datasets.push(ALICE, dataset_id, msgspec.json.encode(items))


async def read(shelf: Shelf, dataset_id: str, **query: Any) -> list[Item]:
    items = await shelf.datasets.items(ALICE, dataset_id, ItemsQuery(**query))
    text = b"".join([piece async for piece in items.content])
    decoded: list[Item] = msgspec.json.decode(text)
    return decoded


def numbered(count: int, *, first: int = 0, padding: int = 0) -> list[Item]:
    return [{"n": first + at, "padding": "é" * (padding // 2)} for at in range(count)]


class DatasetsConformance(StoresConformance):
    """Datasets, their chunks and their reading."""

    @pytest.fixture
    async def dataset(self, shelf: Shelf) -> str:
        view, created = await shelf.datasets.get_or_create(ALICE, None)
        assert created
        return view.id

    async def test_get_or_create_finds_by_name(self, shelf: Shelf) -> None:
        view, created = await shelf.datasets.get_or_create(ALICE, "prices")
        again, created_again = await shelf.datasets.get_or_create(ALICE, "prices")
        others, created_for_bob = await shelf.datasets.get_or_create(BOB, "prices")
        assert (created, created_again, created_for_bob) == (True, False, True)
        assert view == again
        assert others.id != view.id
        for address in (view.id, "~prices", "alice~prices", "ALICE~prices"):
            assert (await shelf.datasets.get(ALICE, address)).id == view.id

    async def test_racing_creations_of_a_name_make_one(self, shelf: Shelf) -> None:
        made = await asyncio.gather(*(shelf.datasets.get_or_create(ALICE, "race") for _ in range(10)))
        assert len({view.id for view, _ in made}) == 1
        assert sum(created for _, created in made) == 1

    async def test_items_come_back_in_order(self, shelf: Shelf, dataset: str) -> None:
        await push(shelf, dataset, {"n": 0})
        await push(shelf, dataset, [{"n": 1}, {"n": 2}])
        await shelf.datasets.push(ALICE, dataset, msgspec.json.encode('[{"n": 3}]'))
        assert [item["n"] for item in await read(shelf, dataset)] == [0, 1, 2, 3]
        view = await shelf.datasets.get(ALICE, dataset)
        assert (view.item_count, view.clean_item_count) == (4, 4)

    @pytest.mark.parametrize("padding", [0, 200, 3 * DATASET_BLOCK_BYTES])
    async def test_any_page_equals_the_slice(self, shelf: Shelf, dataset: str, padding: int) -> None:
        chance = random.Random(padding)
        items: list[Item] = []
        for _ in range(12 if padding < 1000 else 3):
            size = chance.choice([1, 2, 7, 400]) if padding < 1000 else chance.choice([1, 3])
            batch = numbered(size, first=len(items), padding=padding)
            await push(shelf, dataset, batch)
            items += batch
        for _ in range(25):
            offset, limit = chance.randint(0, len(items) + 2), chance.choice([0, 1, 2, 5, len(items)])
            desc = chance.random() < 0.5
            expected = (items[::-1] if desc else items)[offset : offset + limit if limit else None]
            assert await read(shelf, dataset, offset=offset, limit=limit, desc=desc) == expected

    async def test_large_pushes_live_in_blobs(self, shelf: Shelf, dataset: str) -> None:
        items = numbered(100, padding=DATASET_INLINE_BYTES_MAX // 50)
        await push(shelf, dataset, items)
        [row] = await shelf.rows("SELECT blob_key, payload FROM dataset_chunks")
        assert row["payload"] is None
        assert await shelf.blob_keys() == {row["blob_key"]}
        assert await read(shelf, dataset) == items

    async def test_bytes_are_kept_as_sent(self, shelf: Shelf, dataset: str) -> None:
        await shelf.datasets.push(ALICE, dataset, b'[ {"a": 1.0,\n "b":1e400 , "c" : "\\u00e9"} ]')
        items = await shelf.datasets.items(ALICE, dataset, ItemsQuery(format=Format.JSONL))
        assert b"".join([piece async for piece in items.content]) == b'{"a": 1.0,  "b":1e400 , "c" : "\\u00e9"}\n'

    async def test_concurrent_pushes_each_keep_their_order(self, shelf: Shelf, dataset: str) -> None:
        await asyncio.gather(*(push(shelf, dataset, [{"by": by, "n": n} for n in range(5)]) for by in range(20)))
        items = await read(shelf, dataset)
        assert len(items) == 100
        for first in range(0, 100, 5):  # no push is torn apart
            assert len({item["by"] for item in items[first : first + 5]}) == 1
            assert [item["n"] for item in items[first : first + 5]] == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("body", [b"", b"{", b'{"a":}', b'{"a":"\xff"}', b"[" * 50_000])
    async def test_what_is_no_json_is_refused(self, shelf: Shelf, dataset: str, body: bytes) -> None:
        with pytest.raises((InvalidJson, InvalidInput)):
            await shelf.datasets.push(ALICE, dataset, body)

    @pytest.mark.parametrize("body", [b"1", b"null", b'"text"', b'[{"a":1},2]', b"[[]]", b'"1"'])
    async def test_what_is_no_object_is_refused_whole(self, shelf: Shelf, dataset: str, body: bytes) -> None:
        with pytest.raises((InvalidInput, InvalidJson)):
            await shelf.datasets.push(ALICE, dataset, body)
        assert await read(shelf, dataset) == []

    async def test_deleted_contents_leave_in_steps(self, shelf: Shelf, dataset: str) -> None:
        await push(shelf, dataset, numbered(10, padding=DATASET_INLINE_BYTES_MAX))
        await asyncio.gather(*(push(shelf, dataset, {"n": n}) for n in range(SWEPT_ROWS_PER_WRITE + 10)))
        blobs = await shelf.blob_keys()
        assert len(blobs) == 1
        await shelf.datasets.delete(ALICE, dataset)
        with pytest.raises(NotFound):
            await shelf.datasets.get(ALICE, dataset)
        await shelf.sweeper.tick()
        assert await shelf.rows("SELECT * FROM dataset_chunks") == []
        assert await shelf.rows("SELECT * FROM storage_remains") == []
        assert await shelf.discarded() == blobs

    async def test_a_push_to_what_is_gone_leaves_nothing(self, shelf: Shelf, dataset: str) -> None:
        await shelf.datasets.delete(ALICE, dataset)
        with pytest.raises(NotFound):
            await push(shelf, dataset, numbered(10, padding=DATASET_INLINE_BYTES_MAX))
        assert await shelf.blob_keys() == set()

    async def test_others_neither_see_nor_learn(self, shelf: Shelf, dataset: str) -> None:
        with pytest.raises(NotFound) as refused:
            await shelf.datasets.get(BOB, dataset)
        with pytest.raises(NotFound) as missing:
            await shelf.datasets.get(BOB, "x" * 17)
        assert refused.value.message == missing.value.message
        for attempt in (
            shelf.datasets.push(BOB, dataset, b"{}"),
            shelf.datasets.items(BOB, dataset, ItemsQuery()),
            shelf.datasets.update(BOB, dataset, UpdateStorage(name="mine")),
            shelf.datasets.delete(BOB, dataset),
        ):
            with pytest.raises(NotFound):
                await attempt

    async def test_general_access_opens_reading_alone(self, shelf: Shelf) -> None:
        view, _ = await shelf.datasets.get_or_create(ALICE, "shared")
        access = GeneralAccess.ANYONE_WITH_ID_CAN_READ
        await shelf.datasets.update(ALICE, view.id, UpdateStorage(general_access=access))
        seen = await shelf.datasets.get(BOB, view.id)
        assert seen.url_signing_secret_key is msgspec.UNSET
        with pytest.raises(Forbidden):
            await shelf.datasets.push(BOB, view.id, b"{}")
        with pytest.raises(NotFound):
            await shelf.datasets.get(BOB, "alice~shared")
        by_name = GeneralAccess.ANYONE_WITH_NAME_CAN_READ
        await shelf.datasets.update(ALICE, view.id, UpdateStorage(general_access=by_name))
        assert (await shelf.datasets.get(BOB, "alice~shared")).id == view.id

    async def test_update_changes_what_is_given(self, shelf: Shelf, dataset: str) -> None:
        await shelf.datasets.get_or_create(ALICE, "taken")
        with pytest.raises(NameNotUnique):
            await shelf.datasets.update(ALICE, dataset, UpdateStorage(name="taken"))
        with pytest.raises(InvalidInput):
            await shelf.datasets.update(ALICE, dataset, UpdateStorage(name="-no-"))
        named = await shelf.datasets.update(ALICE, dataset, UpdateStorage(name="free", title="Title"))
        titled = await shelf.datasets.update(ALICE, dataset, UpdateStorage(title=None))
        unnamed = await shelf.datasets.update(ALICE, dataset, UpdateStorage(name=None))
        assert (named.name, named.title) == ("free", "Title")
        assert (titled.name, titled.title) == ("free", None)
        assert unnamed.name is None

    async def test_lists_show_the_callers_own(self, shelf: Shelf, dataset: str) -> None:
        ids = []
        for name in ("one", "two", "three"):
            await shelf.clock.advance(1)
            ids.append((await shelf.datasets.get_or_create(ALICE, name))[0].id)
        await shelf.datasets.get_or_create(BOB, "other")
        named = await shelf.datasets.page(ALICE, ListQuery())
        everything = await shelf.datasets.page(ALICE, ListQuery(unnamed=True, desc=True, limit=3))
        assert [item.id for item in named.items] == ids
        assert (named.total, named.count, named.unnamed) == (3, 3, False)
        assert [item.id for item in everything.items] == ids[::-1]
        assert (everything.total, everything.limit) == (4, 3)
        rest = await shelf.datasets.page(ALICE, ListQuery(unnamed=True, desc=True, limit=3, offset=3))
        assert [item.id for item in rest.items] == [dataset]

    async def test_uses_are_counted_without_a_write_each(self, shelf: Shelf, dataset: str) -> None:
        await push(shelf, dataset, numbered(3))
        await shelf.clock.advance(60)
        for _ in range(4):
            await read(shelf, dataset)
        seen = await shelf.datasets.get(ALICE, dataset)
        assert seen.stats.read_count == 4
        assert seen.accessed_at == shelf.clock.now() > seen.modified_at
        await shelf.accesses.flush()
        await shelf.accesses.flush()
        [row] = await shelf.rows("SELECT read_count, accessed_at FROM datasets")
        assert (row["read_count"], row["accessed_at"]) == (4, int(shelf.clock.now()))
        assert await shelf.datasets.get(ALICE, dataset) == seen
        assert shelf.meter.counts == {Usage.DATASET_WRITES: 3, Usage.DATASET_READS: 12}
