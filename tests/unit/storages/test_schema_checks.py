"""Schemas of users: which can be used, what is told of values, and that none of them holds or breaks the server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from actorium.kernel.errors import Unavailable
from actorium.kernel.limits import (
    INVALID_ITEMS_MAX,
    ITEM_ERRORS_MAX,
    SCHEMA_BYTES_MAX,
    SCHEMA_CHECKS_WAITING_MAX,
    SCHEMA_DEPTH_MAX,
    SCHEMA_PARTS_MAX,
    SCHEMA_PATTERNS_MAX,
    SCHEMA_STATES_MAX,
    SCHEMAS_KNOWN_MAX,
    VALIDATION_REPORT_BYTES_MAX,
)
from actorium.storages import schema_checks
from actorium.storages.schema_anatomy import Weight, weigh
from actorium.storages.schema_checks import SchemaChecks, TooCostly
from actorium.storages.schemas import SchemaInvalid, TooDeep

pytestmark = pytest.mark.anyio

CIRCLE = {"properties": {"a": {"$ref": "#"}, "n": {"type": "integer"}}}
LOOKAROUND = {"properties": {"a": {"pattern": "^(?!b)"}}}


@pytest.fixture
async def checks() -> AsyncIterator[SchemaChecks]:
    made = SchemaChecks()
    yield made
    await made.close()


def texts(*values: Any) -> bytes:
    return b"\n".join(json.dumps(value, separators=(",", ":")).encode() for value in values)


async def positions(checks: SchemaChecks, schema: dict[str, Any], documents: bytes) -> list[int]:
    report = await checks.check(schema, documents)
    return [] if report is None else [invalid["itemPosition"] for invalid in report.invalid]


def has_process(checks: SchemaChecks) -> bool:
    return any(one._process is not None for one in (checks._quick, checks._patient))


async def test_little_work_is_done_here(checks: SchemaChecks) -> None:
    schema = {"required": ["a"], "properties": {"a": {"type": "string", "pattern": r"^\d{4}-\d{2}$"}}}
    assert await positions(checks, schema, texts({"a": "2026-01"}, {"a": "x"}, {}, {"a": 1})) == [1, 2, 3]
    await checks.compile(schema)
    assert not has_process(checks)


@pytest.mark.parametrize("schema", [CIRCLE, LOOKAROUND, {"$id": "http://x/y", "properties": {"a": {"$id": "z"}}}])
async def test_what_looking_cannot_judge_is_done_elsewhere(checks: SchemaChecks, schema: dict[str, Any]) -> None:
    documents = texts({"a": {"a": {"n": 1}}}, {"a": {"a": {"n": "x"}}}, {"a": "bad"}, {})
    expected = {json.dumps(CIRCLE): [1], json.dumps(LOOKAROUND): [2]}.get(json.dumps(schema), [])
    assert await positions(checks, schema, documents) == expected
    assert has_process(checks)


async def test_both_places_tell_the_same(checks: SchemaChecks) -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}, "allOf": [{}] * 30}
    bad = {f"p{at}": at for at in range(20)}
    here = await checks.check(schema, texts(bad))
    assert not has_process(checks)
    elsewhere = await checks.check(schema, texts(bad, *({"p": "x"} for _ in range(20_000))))
    assert has_process(checks)
    assert here is not None
    assert elsewhere == here


async def test_reports_are_bounded(checks: SchemaChecks) -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    report = await checks.check(schema, texts(*({"a": 1} for _ in range(INVALID_ITEMS_MAX + 50))))
    assert report is not None
    assert [invalid["itemPosition"] for invalid in report.invalid] == list(range(INVALID_ITEMS_MAX))
    report = await checks.check(schema, texts({f"p{at}": at for at in range(ITEM_ERRORS_MAX * 3)}))
    assert report is not None
    assert len(report.invalid[0]["validationErrors"]) == ITEM_ERRORS_MAX
    wide = {"properties": {"a": {"enum": ["x" * 1000 for _ in range(400)]}}}
    report = await checks.check(wide, texts(*({"a": 1} for _ in range(50))))
    assert report is not None
    assert VALIDATION_REPORT_BYTES_MAX < len(json.dumps(report.invalid)) < 2 * VALIDATION_REPORT_BYTES_MAX


async def test_a_long_text_is_told_with_its_first_error(checks: SchemaChecks) -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}}}
    report = await checks.check(schema, texts({"a": [1] * 2_000_000}))
    assert report is not None
    [error] = report.invalid[0]["validationErrors"]
    assert error["instancePath"] == "/a/0"


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ([], ""),
        ("object", ""),
        ({"type": "text"}, "type"),
        ({"properties": {"a": {"type": 5}}}, "properties.a.type"),
        ({"properties": {"a": {"minimum": "1"}}}, "properties.a.minimum"),
        ({"items": {"pattern": "("}}, "items"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern"),
        ({"required": "a"}, "required"),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema"}, "$schema"),
        ({"$ref": "#/definitions/none"}, ""),
        ({"properties": {"a": {"$ref": "https://example.com/schema"}}}, ""),
        ({"properties": {"a": {"enum": ["x" * SCHEMA_BYTES_MAX]}}}, ""),
    ],
)
async def test_schemas_that_cannot_be_used(checks: SchemaChecks, schema: Any, path: str) -> None:
    with pytest.raises(SchemaInvalid) as refused:
        await checks.compile(schema)
    assert refused.value.path == path
    assert str(refused.value)


@pytest.mark.parametrize(
    "draft", ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft-07/schema"]
)
async def test_the_name_of_the_draft(checks: SchemaChecks, draft: str) -> None:
    await checks.compile({"$schema": draft, "type": "object"})


async def test_nested_schemas_and_values(checks: SchemaChecks) -> None:
    deep: Any = {}
    for _ in range(SCHEMA_DEPTH_MAX + 1):
        deep = {"not": deep}
    with pytest.raises(SchemaInvalid, match="nested"):
        await checks.compile(deep)
    value: Any = {"n": "x"}
    for _ in range(200):
        value = {"a": value}
    assert await positions(checks, CIRCLE, texts(value)) == [0]
    document = b'{"a":' * 5000 + b"1" + b"}" * 5000
    for schema in (CIRCLE, {"type": "object"}):
        with pytest.raises(TooDeep):
            await checks.check(schema, document)


def test_weights() -> None:
    shared: dict[str, Any] = {"definitions": {"s": {"properties": {"x": {"type": "string"}}}}}
    assert weigh({"type": "string"}) == Weight(1, 0)
    assert weigh(
        shared | {"properties": {"a": {"$ref": "#/definitions/s"}, "b": {"$ref": "#/definitions/s"}}}
    ) == Weight(5, 0)
    assert weigh({"pattern": "^ab$"}) == Weight(1, 4)
    assert weigh({"patternProperties": {"a{1000}": {}}}) == Weight(2, 1007)
    heavy = weigh({"pattern": "(a{100}){100}"})
    assert heavy is not None
    assert heavy.patterns > 10_000
    for beyond in (
        CIRCLE,
        {"$ref": "#/definitions/none"},
        {"$ref": "other.json"},
        {"properties": {"a": {"format": "regex"}}},
        {"anyOf": [{}] * (SCHEMA_PARTS_MAX + 1)},
        {"patternProperties": {f"p{at}": {} for at in range(SCHEMA_PATTERNS_MAX + 1)}},
        {"pattern": "(a{1000}){1000}"},
        {"definitions": {"idle": {"pattern": "a" * SCHEMA_STATES_MAX + "a"}}},
        laughing(40),
    ):
        assert weigh(beyond) is None


def laughing(levels: int) -> dict[str, Any]:
    """A small schema that makes two to the power of ``levels`` checks of any value."""
    definitions = {f"d{at}": {"allOf": [{"$ref": f"#/definitions/d{at + 1}"}] * 2} for at in range(levels)}
    return {"definitions": definitions | {f"d{levels}": {"type": "object"}}, "$ref": "#/definitions/d0"}


async def test_a_schema_that_takes_for_ever_takes_the_process_only() -> None:
    checks = SchemaChecks(cpu_secs=0.3)
    with pytest.raises(TooCostly):
        await checks.check(laughing(60), texts({}))
    assert not has_process(checks)
    assert await positions(checks, CIRCLE, texts({"n": 1}, {"n": "x"})) == [1]
    await checks.close()


async def test_a_costly_schema_delays_itself_more_than_others() -> None:
    checks, done = SchemaChecks(cpu_secs=0.3), list[str]()

    async def costly() -> None:
        with pytest.raises(TooCostly):
            await checks.check(laughing(60), texts({}))
        done.append("costly")

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(costly())
        await asyncio.sleep(0)
        assert await positions(checks, CIRCLE, texts({"n": 1})) == []
        done.append("honest")
    await checks.close()
    assert done.index("honest") <= 1


async def test_a_user_with_many_costly_schemas_delays_others_by_one() -> None:
    checks, done = SchemaChecks(cpu_secs=0.3), list[str]()

    async def costly(depth: int) -> None:
        with pytest.raises(TooCostly):
            await checks.check(laughing(depth), texts({}), user_id="greedy")
        done.append("costly")

    async with asyncio.TaskGroup() as group:
        for depth in (60, 61, 62):
            group.create_task(costly(depth))
        await asyncio.sleep(0)
        await checks.check(CIRCLE, texts({"n": 1}), user_id="honest")
        done.append("honest")
    await checks.close()
    assert done.index("honest") <= 1


async def test_a_costly_check_that_goes_on_holds_nobody_elses_small_one() -> None:
    checks = SchemaChecks(cpu_secs=600)
    endless = asyncio.create_task(checks.check(laughing(60), texts({}), user_id="greedy"))
    await asyncio.sleep(0)
    await checks.check(CIRCLE, texts({"n": 1}), user_id="honest")
    assert not endless.done()
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    await checks.close()


async def test_patterns_that_backtrack(checks: SchemaChecks) -> None:
    for pattern in (r"^(a+)+$", r"^(?=(.*)(.*)(.*)(.*)x)\1\2\3\4$", r"^(a|aa)+\1$"):
        schema = {"properties": {"a": {"pattern": pattern}}}
        assert await positions(checks, schema, texts({"a": "a" * 5000 + "b"})) == [0]


async def test_memory_is_bounded() -> None:
    checks = SchemaChecks(cpu_secs=1.0)
    everything = {"properties": {"a": {"items": {"anyOf": [{"type": "string"}] * 50}}}}
    with pytest.raises(TooCostly):
        await checks.check(everything, texts(*({"a": [1] * 30_000} for _ in range(100))))
    assert await positions(checks, CIRCLE, texts({"n": 1})) == []
    await checks.close()


async def test_a_process_that_has_grown_is_replaced() -> None:
    checks = SchemaChecks(bytes_kept=1)
    for _ in range(2):
        assert await positions(checks, CIRCLE, texts({"n": "x"})) == [0]
        assert not has_process(checks)


class _Counting(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")


async def test_nothing_is_ever_fetched(checks: SchemaChecks, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text("{}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for reference in (f"http://127.0.0.1:{server.server_port}/schema.json", f"file://{tmp_path}/schema.json"):
            for schema in (
                {"$ref": reference},
                {"definitions": {"x": {"$ref": reference}}, "$ref": "#/definitions/x"},
                {"$id": reference, "properties": {"a": {"$ref": "other.json"}}},
            ):
                with pytest.raises(SchemaInvalid, match="no"):
                    await checks.check(schema, texts({}))
            with pytest.raises(SchemaInvalid):
                await checks.compile({"$schema": reference})
    finally:
        server.shutdown()
        server.server_close()
    assert _Counting.asked == 0


async def test_what_is_remembered_is_bounded(checks: SchemaChecks) -> None:
    for at in range(SCHEMAS_KNOWN_MAX + 20):
        await checks.compile({"minimum": at})
    assert len(checks._known) == SCHEMAS_KNOWN_MAX
    assert checks._known_bytes == sum(map(len, checks._known))


async def test_the_line_is_bounded(checks: SchemaChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks._quick, "_waiting", SCHEMA_CHECKS_WAITING_MAX)
    with pytest.raises(Unavailable):
        await checks.check(CIRCLE, texts({}))


async def test_a_process_that_stands_still_is_given_up(checks: SchemaChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    await checks.check(CIRCLE, texts({}))
    monkeypatch.setattr(schema_checks, "SCHEMA_WALL_SECS", 0.001)
    process = checks._quick._process
    assert process is not None
    process.send_signal(19)  # stop
    with pytest.raises(TooCostly):  # by the other process, too, which does not start that fast
        await checks.check(CIRCLE, texts({}))
    monkeypatch.undo()
    assert await positions(checks, CIRCLE, texts({"n": "x"})) == [0]
