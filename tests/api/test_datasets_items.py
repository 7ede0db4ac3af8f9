"""Every parameter of the items of a dataset, over HTTP."""

from __future__ import annotations

import io
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree as ET

import openpyxl
import pytest

from asgi_client import Answer
from dataset_oracles import rows_in
from storage_world import StorageWorld, open_storages

pytestmark = pytest.mark.anyio

ITEMS: list[dict[str, Any]] = [
    {"id": 1, "user": {"name": "Ann", "tags": ["x", "y"]}, "parts": [{"p": 1}, {"p": 2}], "#debug": "d1"},
    {"id": 2, "user": {"name": 'Bob, the "second"'}, "parts": [], "errorInfo": {"stack": "s"}},
    {"#debug": "only hidden"},
    {"id": 4, "user": None, "parts": "none", "url": "=1+1"},
]
VIEW = {
    "transformation": {"fields": ["id", "user.name"], "flatten": ["user"], "desc": True, "limit": 2},
    "display": {"component": "table", "properties": {"id": {"label": "Number"}, "user.name": {"label": "Who"}}},
}


async def made(world: StorageWorld, items: list[dict[str, Any]], *, name: str = "", schema: Any = None) -> str:
    body = {} if schema is None else {"schema": schema}
    dataset = await world.alice.post(f"/v2/datasets{'?name=' if name else ''}{name}", body)
    target = f"/v2/datasets/{dataset['id']}/items"
    assert (await world.alice.request("POST", target, json=items)).status == 201
    return target


async def read(query: str, items: list[dict[str, Any]] = ITEMS, *, schema: Any = None) -> Answer:
    async with open_storages() as world:
        answer: Answer = await world.alice.request("GET", f"{await made(world, items, schema=schema)}?{query}")
        return answer


ONE, TWO, HIDDEN, FOUR = ITEMS


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ITEMS),
        ("format=", ITEMS),
        ("limit=0", ITEMS),
        ("offset=1&limit=2", [TWO, HIDDEN]),
        ("offset=3", [FOUR]),
        ("offset=9", []),
        ("desc=1&limit=2", [FOUR, HIDDEN]),
        ("fields=parts,id&limit=1", [{"parts": ONE["parts"], "id": 1}]),
        ("fields=id,%20url&outputFields=ID,link&offset=3", [{"ID": 4, "link": "=1+1"}]),
        ("fields=id&limit=3", [{"id": 1}, {"id": 2}, {}]),
        ("fields=id,url&omit=id&offset=3", [{"url": "=1+1"}]),
        ("omit=user,parts,%23debug,errorInfo,url", [{"id": 1}, {"id": 2}, {}, {"id": 4}]),
        ("omit=user.tags,parts&limit=1", [{"id": 1, "user": {"name": "Ann"}, "#debug": "d1"}]),
        ("flatten=user&fields=user.name,user.tags&limit=1", [{"user.name": "Ann", "user.tags": ["x", "y"]}]),
        ("flatten=user&omit=user.tags,parts,%23debug&limit=1", [{"id": 1, "user.name": "Ann"}]),
        ("unwind=parts&fields=id,p,parts", [{"id": 1, "p": 1}, {"id": 1, "p": 2}, {}, {"id": 4, "parts": "none"}]),
        ("unwind=parts&fields=id,p&desc=1&offset=3", [{"id": 1, "p": 1}, {"id": 1, "p": 2}]),
        ("unwind=user,tags&fields=id,name,tags&limit=1", [{"id": 1, "name": "Ann", "tags": tag} for tag in "xy"]),
        ("unwind=tags,user&fields=id,name&limit=1", [{"id": 1, "name": "Ann"}]),
        ("skipHidden=1&fields=id,%23debug&limit=3", [{"id": 1}, {"id": 2}, {}]),
        ("skipEmpty=true&fields=id", [{"id": 1}, {"id": 2}, {"id": 4}]),
        ("skipEmpty=1&offset=2&limit=1", [HIDDEN]),
        ("clean=1&fields=id,%23debug", [{"id": 1}, {"id": 2}, {"id": 4}]),
        ("skipFailedPages=1&fields=id,%23debug", [{"id": 1, "#debug": "d1"}, {"#debug": "only hidden"}, {"id": 4}]),
        ("simplified=1&skipEmpty=1", [{"errorInfo": {"stack": "s"}}, {"url": "=1+1"}]),
        ("unknown=1", ITEMS),
    ],
)  # fmt: skip
async def test_what_comes_out(query: str, expected: list[dict[str, Any]]) -> None:
    answer = await read(query)
    assert answer.json == expected
    assert [list(item) for item in answer.json] == [list(item) for item in expected]


@pytest.mark.parametrize(
    ("query", "count"), [("unwind=parts", 4), ("clean=1", 4), ("skipFailedPages=1", 4), ("limit=3&desc=1&clean=1", 3)]
)
async def test_the_headers_count_stored_items(query: str, count: int) -> None:
    answer = await read(query)
    assert answer.headers["x-apify-pagination-count"] == str(count)
    assert answer.headers["x-apify-pagination-total"] == "4"


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "html", "xlsx", "xml", "rss"])
async def test_head_has_the_headers_of_get(format: str) -> None:
    async with open_storages() as world:
        target = f"{await made(world, ITEMS, name='things')}?format={format}&attachment=1&offset=1&limit=2&desc=1"
        get = await world.alice.request("GET", target)
        head = await world.alice.request("HEAD", target)
        assert (head.status, head.body) == (200, b"")
        own = ("x-request-id", "content-length")
        assert {name: value for name, value in head.headers.items() if name not in own} == {
            name: value for name, value in get.headers.items() if name not in own
        }
        assert get.headers["content-disposition"].startswith(f'attachment; filename="dataset_things.{format}"')


async def test_head_reads_no_items() -> None:
    with patch("actorium.datasets.chunks.Reader.blocks", None), patch("actorium.datasets.chunks.Reader.columns", None):
        async with open_storages() as world:
            target = await made(world, ITEMS)
            for kind in ("json", "csv", "xlsx"):
                assert (await world.alice.request("HEAD", f"{target}?format={kind}")).status == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("fields=id,user,parts&limit=1", [["id", "user/name", "user/tags/0", "user/tags/1", "parts/0/p", "parts/1/p"],
                                          ["1", "Ann", "x", "y", "1", "2"]]),
        ("fields=id,url&offset=2", [["id", "url"], ["", ""], ["4", "=1+1"]]),
        ("fields=id,user&outputFields=n,u&offset=1&limit=1", [["n", "u/name"], ["2", 'Bob, the "second"']]),
        ("unwind=parts&fields=p,id,parts&skipEmpty=1", [["p", "id", "parts"], ["1", "1", ""], ["2", "1", ""],
                                                       ["", "4", "none"]]),
        ("fields=id,user&omit=user.tags&limit=1&delimiter=%09", [["id", "user/name"], ["1", "Ann"]]),
        ("fields=id&clean=1&skipHeaderRow=1", [["1"], ["2"], ["4"]]),
        ("fields=id&skipHeaderRow=1&limit=3&skipHidden=1", [["1"], ["2"], [""]]),
    ],
)  # fmt: skip
async def test_csv(query: str, expected: list[list[str]]) -> None:
    answer = await read(f"format=csv&{query}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    text = answer.body.decode("utf-8-sig")
    assert answer.body[:3] == b"\xef\xbb\xbf"
    assert rows_in(text, "\t" if "delimiter" in query else ",") == expected
    assert text.endswith("\r\n")


async def test_xlsx() -> None:
    answer = await read("format=xlsx&fields=id,url,user&bom=1")
    assert answer.headers["content-type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    [sheet] = openpyxl.load_workbook(io.BytesIO(answer.body)).worksheets
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert rows[0] == ["id", "url", "user/name", "user/tags/0", "user/tags/1", "user"]
    assert rows[1] == [1, None, "Ann", "x", "y", None]
    assert rows[4] == [4, "=1+1", None, None, None, None]


async def test_more_rows_than_a_sheet_has_are_refused_before_the_first_byte() -> None:
    with patch("actorium.datasets.export.XLSX_ROWS_MAX", 5):
        fits = await read("format=xlsx")
        assert fits.status == 200
        for query, items in (("format=xlsx", [*ITEMS, ONE]), ("format=xlsx&unwind=parts", [ONE, ONE, ONE])):
            error = await read(query, items)
            assert (error.status, error.json["error"]["type"]) == (400, "invalid-input")
            assert "offset and limit, or use format=csv" in error.json["error"]["message"]
        assert (await read("format=xlsx&unwind=parts", [ONE, ONE])).status == 200
        assert (await read("format=csv", [*ITEMS, ONE])).status == 200


async def test_xml_and_rss() -> None:
    items = [{"@": {"id": 7}, "list": [1, None, {"a": "<"}], "gone": None}]
    answer = await read("format=xml&xmlRoot=all&xmlRow=one", items)
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    assert b'<all>\n<one id="7"><list>1</list><list/><list><a>&lt;</a></list><gone/></one>\n</all>' in answer.body
    async with open_storages() as world:
        target = await made(world, items, name="feed")
        rss = await world.alice.request("GET", f"{target}?format=rss")
        assert rss.headers["content-type"] == "application/rss+xml; charset=utf-8"
        [channel] = ET.fromstring(rss.body)
        dataset = target.split("/")[3]
        assert (channel.findtext("title"), channel.findtext("description")) == (
            "Dataset feed",
            f'Items in dataset with id "{dataset}".',
        )
        named = await world.alice.request("GET", f"{target}?format=rss&feedTitle=A%26B&feedDescription=C")
        [channel] = ET.fromstring(named.body)
        assert (channel.findtext("title"), channel.findtext("description")) == ("A&B", "C")


@pytest.mark.parametrize("format", ["html", "xml", "rss"])
async def test_what_a_browser_renders_runs_no_scripts(format: str) -> None:
    answer = await read(f"format={format}", [{"script": {"@": {"xmlns": "http://www.w3.org/1999/xhtml"}, "#": "x()"}}])
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_view_transforms_and_labels() -> None:
    schema = {"actorSpecification": 1, "views": {"overview": VIEW, "other": {}}}
    items = [{"id": n, "user": {"name": f"user {n}", "age": n}} for n in range(5)]
    answer = await read("view=overview", items, schema=schema)
    assert answer.json == [{"id": 4, "user.name": "user 4"}, {"id": 3, "user.name": "user 3"}]
    assert answer.headers["x-apify-pagination-limit"] == "2"
    table = await read("view=overview&format=csv&bom=0&limit=1", items, schema=schema)
    assert table.body == b"Number,Who\r\n4,user 4\r\n"
    own = await read("view=overview&format=csv&bom=0&fields=user.age,id&offset=4", items, schema=schema)
    assert own.body == b"user.age,Number\r\n0,0\r\n"
    assert (await read("view=other&limit=1", items, schema=schema)).json == items[:1]
    unknown = await read("view=absent", items, schema=schema)
    assert (unknown.status, unknown.json["error"]["type"]) == (400, "requested-dataset-view-does-not-exist")


@pytest.mark.parametrize(
    ("query", "type"),
    [
        ("outputFields=a&fields=a,b", "invalid-value"),
        ("outputFields=x,y&fields=a,a", "invalid-value"),
        ("outputFields=x,x&fields=a,b", "invalid-value"),
        ("format=csv&delimiter=%22", "invalid-value"),
        ("format=xml&xmlRoot=1a", "invalid-value"),
        ("format=xml&xmlRow=a%20b", "invalid-value"),
        ("format=csv&fields=absent", "no-columns-in-exported-dataset"),
        ("format=html&offset=4", "no-columns-in-exported-dataset"),
        ("format=xlsx&fields=absent", "no-columns-in-exported-dataset"),
        ("view=any", "dataset-does-not-have-schema"),
        ("desc=maybe", None),
        ("bom=x", None),
        ("format=xls", None),
    ],
)
async def test_contradictions(query: str, type: str | None) -> None:
    answer = await read(query)
    assert answer.status == 400
    assert type in (None, answer.json["error"]["type"])


@pytest.mark.parametrize(
    "items", [[{f"c{at}": at for at in range(2001)}], [{"a": list(range(2001))}], [{"k" * 201: 1}, {"b": 1}]]
)
async def test_tables_have_limits_and_json_has_none(items: list[dict[str, Any]]) -> None:
    async with open_storages() as world:
        target = await made(world, items)
        for kind in ("csv", "html", "xlsx"):
            error = await world.alice.get(f"{target}?format={kind}", status=400)
            assert error["type"] == "invalid-input"
            assert "format=json" in error["message"]
        assert (await world.alice.request("GET", target)).json == items


async def test_all_formats_of_a_long_reading_agree() -> None:
    items = [{"n": n, "nested": {"list": ["x" * 200, n]}} | ({"late": True} if n > 2500 else {}) for n in range(3000)]
    expected = [[str(n), "x" * 200, str(n), "true" if n > 2500 else ""] for n in range(3000)]
    async with open_storages() as world:
        target = await made(world, items)
        text = (await world.alice.request("GET", f"{target}?format=csv")).body.decode("utf-8-sig")
        assert rows_in(text) == [["n", "nested/list/0", "nested/list/1", "late"], *expected]
        turned = (await world.alice.request("GET", f"{target}?format=csv&desc=1&skipHeaderRow=1&bom=0")).body
        assert rows_in(turned.decode()) == expected[::-1]
        sheet = openpyxl.load_workbook(
            io.BytesIO((await world.alice.request("GET", f"{target}?format=xlsx")).body)
        ).worksheets[0]
        assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == list(range(3000))
        root = ET.fromstring((await world.alice.request("GET", f"{target}?format=xml")).body)
        assert [item.findtext("n") for item in root] == [row[0] for row in expected]
