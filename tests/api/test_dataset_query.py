"""SQL over datasets and Parquet files over HTTP, through real boxes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from actorium.datasets.sql import boxes as boxes_module
from actorium.datasets.sql.boxes import Bounds, Boxes
from asgi_client import Answer
from storage_world import open_storages
from world import Client

pytestmark = pytest.mark.anyio

ITEMS = (
    {"name": "hat", "price": 10, "tags": ["a", "b"]},
    {"name": "coat", "price": 99.5, "seller": {"id": 7}},
    {"name": 'sh"oe, left', "price": None},
)


async def filled(client: Client, *items: Mapping[str, Any], name: str = "") -> str:
    dataset = await client.post(f"/v2/datasets{'?name=' if name else ''}{name}")
    await client.request("POST", f"/v2/datasets/{dataset['id']}/items", json=items)
    return str(dataset["id"])


async def ask(client: Client, dataset: str, sql: str, *, format: str = "json", **more: Any) -> Answer:
    return await client.request("POST", f"/v2/datasets/{dataset}/query?format={format}", json={"sql": sql, **more})


def error_of(answer: Answer, status: int = 400) -> tuple[str, str]:
    assert answer.status == status, answer.body
    return answer.json["error"]["type"], answer.json["error"]["message"]


async def test_a_result_as_json_lines_and_csv() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, *ITEMS)
        sql = "SELECT name, price * 2 AS double, tags, seller.id AS seller FROM dataset -- all of them;\n;"
        answer = await ask(world.alice, dataset, sql)
        rows = [
            {"name": "hat", "double": 20.0, "tags": ["a", "b"], "seller": None},
            {"name": "coat", "double": 199.0, "tags": None, "seller": 7},
            {"name": 'sh"oe, left', "double": None, "tags": None, "seller": None},
        ]
        assert (answer.status, answer.json) == (200, rows)
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["x-actorium-row-count"] == "3"
        assert answer.headers["x-actorium-truncated"] == "false"
        lines = await ask(world.alice, dataset, sql, format="jsonl")
        assert lines.body == answer.body[1:-1].replace(b",\n", b"\n") + b"\n"
        csv = await ask(world.alice, dataset, sql, format="csv")
        assert csv.headers["content-type"] == "text/csv; charset=utf-8"
        assert csv.body == (
            b'name,double,tags,seller\r\nhat,20.0,"[""a"",""b""]",\r\ncoat,199.0,,7\r\n"sh""oe, left",,,\r\n'
        )


async def test_a_result_as_parquet_can_be_read_by_others(tmp_path: Path) -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, *ITEMS)
        answer = await ask(world.alice, dataset, "SELECT count(*) n, sum(price) s FROM dataset", format="parquet")
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert read_parquet(tmp_path, answer.body) == [{"n": 3, "s": 109.5}]
        large = await ask(
            world.alice, dataset, "SELECT 9223372036854775808::HUGEINT + 1 h, 5::HUGEINT i", format="parquet"
        )
        assert read_parquet(tmp_path, large.body) == [{"h": 9223372036854775809, "i": 5}]


async def test_items_as_parquet(tmp_path: Path) -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, *ITEMS, {"#hidden": 1}, name="shop")
        target = f"/v2/datasets/{dataset}/items?format=parquet"
        answer = await world.alice.request("GET", f"{target}&clean=1&desc=1&limit=3&fields=name,seller&attachment=1")
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert 'filename="dataset_shop.parquet"' in answer.headers["content-disposition"]
        assert answer.headers["x-apify-pagination-count"] == "3"
        assert read_parquet(tmp_path, answer.body) == [
            {"name": 'sh"oe, left', "seller": None},
            {"name": "coat", "seller": {"id": 7}},
        ]
        head = await world.alice.request("HEAD", target)
        assert (head.status, head.headers["content-type"]) == (200, "application/vnd.apache.parquet")
        none = await world.alice.request("GET", f"{target}&fields=absent")
        assert error_of(none)[0] == "no-columns-in-exported-dataset"
        link = (await world.alice.get(f"/v2/datasets/{dataset}"))["itemsPublicUrl"].partition("?")[2]
        assert len(read_parquet(tmp_path, (await world.nobody.request("GET", f"{target}&{link}")).body)) == 4


def read_parquet(folder: Path, content: bytes) -> list[dict[str, Any]]:
    (folder / "answer.parquet").write_bytes(content)
    with duckdb.connect() as connection:
        found = connection.execute("FROM read_parquet(?)", [str(folder / "answer.parquet")])
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


async def test_several_datasets_and_parts_of_them() -> None:
    async with open_storages() as world:
        orders = await filled(world.alice, *({"n": n, "who": n % 2, "waste": "x" * 100} for n in range(10)))
        await filled(world.alice, {"id": 0, "name": "zero"}, {"id": 1, "name": "one"}, name="people")
        sql = "SELECT name, sum(n) AS total FROM dataset JOIN people ON who = id GROUP BY name ORDER BY name"
        answer = await ask(world.alice, orders, sql, datasets={"people": "~people"})
        assert answer.json == [{"name": "one", "total": 25}, {"name": "zero", "total": 20}]
        part = {"dataset": {"offset": 1, "limit": 3, "desc": True, "fields": ["n"]}}
        chosen = await ask(world.alice, orders, "FROM dataset", items=part)
        assert chosen.json == [{"n": 8}, {"n": 7}, {"n": 6}]


async def test_rows_beyond_the_limit_are_cut_and_told() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"n": 1})
        answer = await ask(world.alice, dataset, "SELECT range n FROM range(1000000) ORDER BY n", maxRows=3)
        assert answer.json == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert (answer.headers["x-actorium-row-count"], answer.headers["x-actorium-truncated"]) == ("3", "true")
        exact = await ask(world.alice, dataset, "FROM range(3)", maxRows=3)
        assert exact.headers["x-actorium-truncated"] == "false"
        default = await ask(world.alice, dataset, "FROM range(10001)")
        assert (len(default.json), default.headers["x-actorium-truncated"]) == (10_000, "true")


async def test_a_long_result_is_streamed() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"n": 1})
        for written in ("json", "jsonl", "csv"):
            answer = await ask(
                world.alice, dataset, "SELECT range n, repeat('é', 300) t FROM range(5000)", format=written
            )
            assert "content-length" not in answer.headers
            assert answer.body.count("é".encode()) == 5000 * 300
        assert [
            row["n"] for row in (await ask(world.alice, dataset, "FROM range(30000) t(n)", maxRows=30_000)).json
        ] == [*range(30_000)]


async def test_a_dataset_without_items_or_keys() -> None:
    async with open_storages() as world:
        empty = await filled(world.alice)
        assert (await ask(world.alice, empty, "SELECT count(*) n FROM dataset")).json == [{"n": 0}]
        assert (await ask(world.alice, empty, "FROM dataset")).body == b"[]"
        assert (await ask(world.alice, empty, "FROM dataset", format="jsonl")).body == b""
        keyless = await filled(world.alice, {}, {})
        assert (await ask(world.alice, keyless, "SELECT count(*) n FROM dataset")).json == [{"n": 2}]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "sql"),
        ({"sql": ""}, "sql"),
        ({"sql": 5}, "sql"),
        ({"sql": "x" * 100_001}, "sql"),
        ({"sql": "SELECT 1", "maxRows": 0}, "maxRows"),
        ({"sql": "SELECT 1", "maxRows": 1_000_001}, "maxRows"),
        ({"sql": "SELECT 1", "datasets": {"a b": "~x"}}, "'a b'"),
        ({"sql": "SELECT 1", "datasets": {"Dataset": "~x"}}, "differ"),
        ({"sql": "SELECT 1", "datasets": {"t": "~x", "T": "~x"}}, "differ"),
        ({"sql": "SELECT 1", "datasets": {f"t{n}": "~x" for n in range(10)}}, "9"),
        ({"sql": "SELECT 1", "items": {"other": {}}}, "'other'"),
        ({"sql": "SELECT 1", "items": {"dataset": {"limit": -1}}}, "limit"),
        ({"sql": "SELEC 1"}, "syntax error"),
        ({"sql": "SELECT absent FROM dataset"}, "absent"),
        ({"sql": "SELECT 'x'::INT"}, "'x'"),
        ({"sql": "SELECT error('boo') FROM range(100000)"}, "boo"),
        ({"sql": "SELECT 1; SELECT 2"}, "one statement"),
        ({"sql": "-- nothing"}, "one statement"),
        ({"sql": "CREATE TABLE t (a INT)"}, "CREATE"),
    ],
)
async def test_bad_queries(body: dict[str, Any], word: str) -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {"n": 1})
        answer = await world.alice.request("POST", f"/v2/datasets/{dataset}/query", json=body)
        kind, message = error_of(answer)
        assert kind == "invalid-input"
        assert word in message
        assert "\n" not in message


async def test_who_may_query() -> None:
    async with open_storages() as world:
        hidden = await filled(world.alice, {"secret": 1}, name="hidden")
        own = await filled(world.bob, {"n": 1})
        for address in (hidden, "alice~hidden", "x" * 17, "alice~absent"):
            refused = await ask(world.bob, address, "SELECT 1")
            joined = await ask(world.bob, own, "FROM other", datasets={"other": address})
            assert error_of(refused, 404) == error_of(joined, 404)
            assert error_of(refused, 404)[0] == "record-not-found"
            assert (await ask(world.nobody, address, "SELECT 1")).status == 401
        await world.alice.put(f"/v2/datasets/{hidden}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        assert (await ask(world.bob, own, "FROM other", datasets={"other": hidden})).json == [{"secret": 1}]
        assert error_of(await ask(world.bob, own, f"FROM '{hidden}'"))[0] == "invalid-input"


async def test_queries_at_once_are_bounded() -> None:
    boxes = Boxes(Bounds(boxes=2, boxes_per_user=1))
    async with open_storages(boxes=boxes) as world:
        dataset = await filled(world.alice, {"n": 1})
        mine = await filled(world.bob, {"n": 1})
        endless = asyncio.ensure_future(ask(world.alice, dataset, "SELECT count(*) FROM range(1000000000000)"))
        while not boxes.in_use:  # noqa: ASYNC110 - becomes true in the other task, a few turns from here
            await asyncio.sleep(0)
        kind, message = error_of(await ask(world.alice, dataset, "SELECT 1"), 429)
        assert kind == "rate-limit-exceeded"
        assert "try again" in message
        assert (await ask(world.bob, mine, "SELECT 1 AS one")).json == [{"one": 1}]
        endless.cancel()
        await asyncio.gather(endless, return_exceptions=True)
        assert boxes.in_use == 0
        assert (await ask(world.alice, dataset, "SELECT 1 AS one")).json == [{"one": 1}]


async def test_too_many_items_are_refused() -> None:
    async with open_storages(boxes=Boxes(Bounds(input_bytes=1_000_000))) as world:
        dataset = await filled(world.alice, *({"n": n, "text": "x" * 1000} for n in range(2000)))
        kind, message = error_of(await ask(world.alice, dataset, "SELECT count(*) FROM dataset"))
        assert kind == "invalid-input"
        assert "fields, offset and limit" in message
        less = {"dataset": {"fields": ["n"]}}
        assert (await ask(world.alice, dataset, "SELECT count(*) n FROM dataset", items=less)).json == [{"n": 2000}]
        twice = await ask(
            world.alice,
            dataset,
            "SELECT 1",
            items={"dataset": {"limit": 600}, "t": {"limit": 600}},
            datasets={"t": dataset},
        )
        assert error_of(twice)[0] == "invalid-input"
        parquet = await world.alice.request("GET", f"/v2/datasets/{dataset}/items?format=parquet")
        assert error_of(parquet)[1] == message


async def test_too_many_columns_are_refused() -> None:
    async with open_storages() as world:
        dataset = await filled(world.alice, {f"k{n}": n for n in range(2001)})
        kind, message = error_of(await ask(world.alice, dataset, "SELECT 1"))
        assert (kind, "2000" in message) == ("invalid-input", True)


async def test_without_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes_module, "_PACKAGES", ("duckdb_that_is_not_there",))
    async with open_storages() as world:
        dataset = await filled(world.alice, {"n": 1})
        for answer in (
            await ask(world.alice, dataset, "SELECT 1"),
            await world.alice.request("GET", f"/v2/datasets/{dataset}/items?format=parquet"),
        ):
            kind, message = error_of(answer)
            assert kind == "platform-feature-disabled"
            assert "pip install -e '.[sql]'" in message
