"""Where the bytes are: sums that add up to what was stored, and to what the engine and the listing say."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from actorium.blobs.memory import MemoryBlobs
from actorium.database import Tx
from actorium.database.inline import Inline
from actorium.database.sqlite import SQLite
from actorium.kernel.store_limits import USAGE_ROWS_PER_STEP
from actorium.upkeep.belongings import TABLES
from actorium.upkeep.folders import disk_bytes
from actorium.upkeep.screen import amount, show_usage, usage_document
from actorium.upkeep.usage import usage
from storage_world import open_storages
from upkeep_world import LARGE, contents, fill, place, tables_of

pytestmark = pytest.mark.anyio


def size_of(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if isinstance(value, bytes) else 0


async def test_every_table_has_its_place() -> None:
    where = await place(Inline(), MemoryBlobs())
    known = await tables_of(where.database)
    assert set(TABLES) == set(known), "say in upkeep/belongings.py what a new table is about"
    for name, belonging in TABLES.items():
        parent = known.get(belonging.parent)
        assert not belonging.owner or (parent or known[name]).has(belonging.owner)
        assert parent is None or (known[name].has(belonging.part_of) and len(parent.key) == 1)
    await where.database.close()


async def test_the_sums_are_what_is_stored(tmp_path: Path) -> None:
    where = await place(await SQLite.open(tmp_path / "x.db"), MemoryBlobs())
    await fill(where)
    await where.database.write(lambda tx: tx.run("INSERT INTO blob_garbage (key, created_at) VALUES ('zz-gone', 1)"))
    await where.blobs.put("zz-gone", b"x" * 1000)
    await where.blobs.put("actorium-installation", b"x" * 10)
    stored = await contents(where)
    expected: Counter[str] = Counter()
    for name, rows in stored.items():
        if name != "blobs":
            expected[TABLES[name].kind] += sum(size_of(value) for row in rows for value in row)
    found = await usage(where.database, where.blobs, files={"builds": 5}, largest=3)
    known = await where.database.read(lambda tx: tx.all("SELECT name, digest FROM schema_migrations"))
    expected["bookkeeping"] += sum(len(row["name"]) + len(row["digest"]) for row in known)
    assert {name: part.row_bytes for name, part in found.kinds.items()} == expected
    blobs = {name: part.blob_bytes for name, part in found.kinds.items() if part.blobs}
    assert blobs == {"datasets": len(LARGE), "key-value stores": len(LARGE)}
    assert (found.waiting.blob_bytes, found.unnamed.blob_bytes, found.own.blob_bytes) == (1000, 100, 10)
    assert found.blob_bytes == sum(len(content) for _, content in stored["blobs"])
    assert sum(part.row_bytes for part in found.users.values()) == sum(expected.values())
    assert found.database_bytes == sum(expected.values()) + found.overhead_bytes + found.free_bytes
    assert found.overhead_bytes > 0
    assert found.total == found.database_bytes + found.blob_bytes + 5
    assert found.lost == 0
    await where.database.close()
    assert found.database_bytes == (tmp_path / "x.db").stat().st_size


async def test_storages_and_users_by_what_they_hold() -> None:
    async with open_storages() as world:
        big = await world.alice.post("/v2/key-value-stores?name=big")
        small = await world.bob.post("/v2/key-value-stores")
        dataset = await world.alice.post("/v2/datasets?name=results")
        items = json.dumps([{"text": "x" * 100} for _ in range(50)]).encode()
        for _ in range(3):
            pushed = await world.alice.request("POST", f"/v2/datasets/{dataset['id']}/items", body=items)
            assert pushed.status == 201
        for client, store_id, size in [(world.alice, big["id"], 300_000), (world.bob, small["id"], 200_000)]:
            target = f"/v2/key-value-stores/{store_id}/records/a"
            assert (await client.request("PUT", target, body=b"y" * size)).status == 201
        found = await usage(world.database, world.blobs, files={}, largest=2)
        assert [(one.kind, one.id, one.name, one.owner) for one in found.largest] == [
            ("key-value stores", big["id"], "big", "alice"),
            ("key-value stores", small["id"], None, "bob"),
        ]
        assert 300_000 <= found.largest[0].total < 300_500
        assert (found.users["alice"].blob_bytes, found.users["bob"].blob_bytes) == (300_000, 200_000)
        assert found.kinds["key-value stores"].blob_bytes == 500_000
        assert 3 * 50 * 100 < found.kinds["datasets"].row_bytes < 3 * len(items) + 5000
        await world.bob.delete(f"/v2/key-value-stores/{small['id']}")
        found = await usage(world.database, world.blobs, files={}, largest=2)
        assert found.users[""].blob_bytes == 200_000, "deleted, and its contents not swept yet"
        assert found.largest[1].kind == "key-value stores"


async def test_many_rows_are_added_up_in_steps() -> None:
    where = await place(Inline(), MemoryBlobs())
    count = 2 * USAGE_ROWS_PER_STEP + 7

    def work(tx: Tx) -> None:
        tx.many(
            "INSERT INTO dataset_chunks (dataset_id, first_index, item_count, byte_count, payload)"
            " VALUES (:id, :at, 1, 3, :payload)",
            [{"id": f"d{at % 3}", "at": at, "payload": b"abc"} for at in range(count)],
        )

    await where.database.write(work)
    found = await usage(where.database, where.blobs, files={}, largest=10)
    assert found.kinds["datasets"].rows == count
    assert found.kinds["datasets"].row_bytes == count * (len("d0") + 3)
    assert {one.id: one.total for one in found.largest} == {
        f"d{at}": len(range(at, count, 3)) * (len("d0") + 3) for at in range(3)
    }
    await where.database.close()


async def test_a_blob_that_is_not_there_is_told() -> None:
    where = await place(Inline(), MemoryBlobs())
    await fill(where)
    row = await where.database.read(lambda tx: tx.one("SELECT blob_key FROM key_value_records WHERE blob_key <> ''"))
    assert row is not None
    await where.blobs.delete(row["blob_key"])
    found = await usage(where.database, where.blobs, files={}, largest=1)
    assert found.lost == 1
    output = io.StringIO()
    show_usage(found, Console(file=output, width=120))
    assert "1 rows name a blob that is not there" in output.getvalue()
    assert usage_document(found)["lostBlobs"] == 1
    await where.database.close()


async def test_the_document_holds_the_whole_sum() -> None:
    where = await place(Inline(), MemoryBlobs())
    await fill(where)
    shown = usage_document(await usage(where.database, where.blobs, files={"builds": 7}, largest=1))
    assert json.loads(json.dumps(shown)) == shown
    parts = [*shown["kinds"].values(), shown["waitingBlobs"], shown["unnamedBlobs"], shown["ownBlobs"]]
    summed = sum(part["rowBytes"] + part["blobBytes"] for part in parts) + shown["overheadBytes"] + shown["freeBytes"]
    assert summed + sum(shown["files"].values()) == shown["totalBytes"]
    await where.database.close()


def test_a_folder_is_what_its_files_take(tmp_path: Path) -> None:
    assert disk_bytes(tmp_path / "absent") == 0
    empty = disk_bytes(tmp_path)
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    (tmp_path / "same").hardlink_to(tmp_path / "one")
    (tmp_path / "link").symlink_to("one")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "two").write_bytes(b"x" * 50_000)
    with (tmp_path / "sub" / "sparse").open("wb") as file:
        file.truncate(10_000_000)
    assert 150_000 <= disk_bytes(tmp_path) - empty < 300_000
    assert disk_bytes(tmp_path, leaving_out={"sub", "one", "same"}) - empty < 50_000


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1234, "1.23 kB"), (999_999, "1 MB"), (5 * 10**15, "5 PB")],
)
def test_amounts(size: int, shown: str) -> None:
    assert amount(size) == shown
