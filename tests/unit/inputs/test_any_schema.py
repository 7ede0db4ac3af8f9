"""Whatever is written into an input schema and sent as an input: an answer, never an accident."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.inputs.encryption import schema_hash
from actorium.inputs.messages import told
from actorium.inputs.resources import granted
from actorium.inputs.schema import InputSchema
from actorium.storages.schema_checks import SchemaChecks, TooCostly
from actorium.storages.schemas import SchemaInvalid, TooDeep

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
SOUND: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["string", "integer", "boolean", "array", "object", ["string", "null"]]),
    "editor": st.sampled_from(["proxy", "requestListSources", "keyValue", "stringList", "json", "hidden"]),
    "nullable": st.booleans(),
    "enum": st.lists(VALUES, min_size=1, max_size=3, unique_by=repr),
    "isSecret": st.booleans(),
    "resourceType": st.sampled_from(["dataset", "keyValueStore", "mcpConnector"]),
    "resourcePermissions": st.lists(st.sampled_from(["READ", "WRITE"]), max_size=2),
    "patternKey": st.sampled_from(["^a", "", "(?=a)"]),
    "patternValue": st.sampled_from(["^a", r"(a)\1"]),
    "pattern": st.just("^a"),
    "default": VALUES,
    "prefill": VALUES,
    "minLength": st.integers(0, 3),
    "items": st.sampled_from([{"type": "string"}, {"$ref": "#"}, [{}], True]),
    "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
    "allOf": st.just([{"properties": {"b": {"$ref": "#"}}}]),
    "properties": st.just({"b": {"type": "integer"}}),
    "additionalProperties": st.booleans(),
    "title": VALUES,
}
ODD: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(SOUND, VALUES),
    "$ref": st.sampled_from(["#", "#/properties/a", "#/nowhere", "http://x.example/", 5]),
    "pattern": st.sampled_from(["(", "*", "["]),
    "patternKey": st.sampled_from(["(", 7]),
}


def some(keywords: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


NAMES = st.sampled_from("abc")
WHOLE = {name: SOUND[name] for name in ("required", "additionalProperties", "allOf", "title")}
SOUND_SCHEMAS = some(WHOLE | {"properties": st.dictionaries(NAMES, some(SOUND), min_size=1, max_size=3)})
ODD_SCHEMAS = some(ODD | {"properties": st.dictionaries(NAMES, some(ODD) | VALUES, max_size=3), "$schema": VALUES})
SCHEMAS = st.one_of(SOUND_SCHEMAS, SOUND_SCHEMAS, SOUND_SCHEMAS, ODD_SCHEMAS, VALUES)
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
INPUTS = st.dictionaries(
    st.sampled_from("abcd"), VALUES | st.just([{"url": "x"}]) | st.just({"proxyUrls": [1]}), max_size=4
)


def test_any_schema_and_any_input() -> None:
    with asyncio.Runner() as runner:
        checks = SchemaChecks(cpu_secs=0.5)

        @settings(max_examples=EXAMPLES)
        @given(SCHEMAS, INPUTS)
        def each(source: Any, sent: dict[str, Any]) -> None:
            runner.run(answered(checks, source, sent))

        try:
            each()
        finally:
            runner.run(checks.close())


async def answered(checks: SchemaChecks, source: Any, sent: dict[str, Any]) -> None:
    try:
        schema = InputSchema.read(source)
        values = schema.filled({name: msgspec.Raw(msgspec.json.encode(value)) for name, value in sent.items()})
        report = await checks.check(schema.rules, msgspec.json.encode(values))
    except (SchemaInvalid, TooCostly, TooDeep):
        return
    assert all(schema_hash(schema.fields[name]) for name in schema.secrets)
    assert isinstance(granted(schema.source, {name: sent.get(name) for name in schema.resources}), dict)
    if report is not None:
        message = told(report.invalid[0]["validationErrors"], schema.fields, values)
        assert message.startswith("Input is not valid: ")
