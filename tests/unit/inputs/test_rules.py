"""Input schemas: what they take, what they refuse and in which words."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest

from actorium.inputs.masks import texts_of
from actorium.inputs.messages import told
from actorium.inputs.resources import granted
from actorium.inputs.schema import InputSchema
from actorium.kernel.limits import INPUT_ERRORS_TOLD_MAX, INPUT_SECRETS_MAX, MASKED_CHARS_MAX, MASKED_TEXTS_MAX
from actorium.storages.schema_checks import SchemaChecks, TooCostly
from actorium.storages.schemas import SchemaInvalid

pytestmark = pytest.mark.anyio


async def said(fields: dict[str, Any], value: Any, **more: Any) -> str | None:
    """What is wrong with an input; None: nothing."""
    schema = InputSchema.read({"title": "T", "type": "object", "schemaVersion": 1, "properties": fields, **more})
    checks = SchemaChecks()
    try:
        report = await checks.check(schema.rules, json.dumps(value).encode())
    finally:
        await checks.close()
    values = {name: msgspec.Raw(msgspec.json.encode(each)) for name, each in value.items()}
    return None if report is None else told(report.invalid[0]["validationErrors"], schema.fields, values)


HEADERS = {"type": "object", "editor": "json", "patternKey": "^[a-z-]+$", "patternValue": "^[^ ]*$"}
SOURCES = {"type": "array", "editor": "requestListSources"}
PROXY = {"type": "object", "editor": "proxy"}
HEADER_BAD = 'Keys [accept] in input.x must have string value which matches regular expression "^[^ ]*$"'
PICKED = {"type": "string", "resourceType": "dataset"}
RULES: list[tuple[dict[str, Any], Any, str | None]] = [
    ({"type": "integer", "minimum": 1}, 5, None),
    ({"type": "integer"}, "5", "Field input.x must be integer"),
    ({"type": "integer", "minimum": 1}, 0, "Field input.x must be >= 1"),
    ({"type": "string", "minLength": 2}, "a", "Field input.x must NOT have fewer than 2 characters"),
    ({"type": "string"}, None, "Field input.x must be string"),
    ({"type": "string", "nullable": True, "pattern": "^a"}, None, None),
    ({"type": "string", "nullable": True, "enum": ["a", "b"], "enumTitles": ["A", "B"]}, None, None),
    ({"type": "string", "enum": ["a", "b"]}, "c", 'Field input.x must be equal to one of the allowed values: "a", "b"'),
    ({"type": "array", "items": {"type": "integer"}}, [1, "2"], "Field input.x.1 must be integer"),
    (
        {"type": "object", "properties": {"a": {"type": "object", "required": ["b"]}}},
        {"a": {}},
        "Field input.x.a.b is required",
    ),
    (HEADERS, {"accept": "text/html"}, None),
    (HEADERS, {"Accept": "x"}, 'Keys [Accept] in input.x must match regular expression "^[a-z-]+$'),
    (HEADERS, {"accept": "a b"}, HEADER_BAD),
    (HEADERS, {"accept": 1}, HEADER_BAD),
    (
        {"type": "array", "editor": "stringList", "patternValue": "^a"},
        ["a", "b"],
        'Values in input.x at positions [1] must match regular expression "^a"',
    ),
    (
        {"type": "array", "editor": "keyValue", "patternKey": "^k", "patternValue": "^v"},
        [{"key": "k", "value": "v"}, {"key": "x", "value": "v"}],
        'Keys in input.x at positions [1] must match regular expression "^k"',
    ),
    (SOURCES, [{"url": "https://a.example/"}, {"requestsFromUrl": "http://b.example/list.txt"}], None),
    (
        SOURCES,
        [{"url": "https://a.example/"}, "https://b.example", {"url": "nothing"}, {}],
        "Items in input.x at positions [1,2,3] do not contain valid URLs",
    ),
    (PROXY, {"useApifyProxy": True}, None),
    (
        PROXY,
        {"proxyUrls": ["ftp://a"]},
        'Proxy URL "ftp://a" has invalid format, it must be socks[4|4a|5|5h]|http[s]://[username[:password]]@hostname:port.',
    ),
    (PICKED, "abcdefghijklmnopq", None),
    (PICKED, "alice~my-data", None),
    (PICKED, "no/such/thing", "Field input.x must be the id or the name of a dataset"),
    (
        {"type": "array", "resourceType": "keyValueStore"},
        ["ok", "not ok"],
        "Field input.x.1 must be the id or the name of a keyValueStore",
    ),
    ({"type": "string", "isSecret": True, "minLength": 9}, "no", "Field input.x must NOT have fewer than 9 characters"),
    (
        {"type": "object", "isSecret": True, "patternKey": "^a"},
        {"hidden": 1},
        'Keys in input.x must match regular expression "^a"',
    ),
]


@pytest.mark.parametrize(("field", "value", "wanted"), RULES, ids=range(len(RULES)))
async def test_a_field(field: dict[str, Any], value: Any, wanted: str | None) -> None:
    assert await said({"x": field}, {"x": value}) == (wanted and f"Input is not valid: {wanted}")


async def test_the_whole_input() -> None:
    fields = {"a": {"type": "string"}, "p": PROXY}
    assert await said(fields, {}, required=["a"]) == "Input is not valid: Field input.a is required"
    assert (
        await said(fields, {"b": 1}, additionalProperties=False)
        == "Input is not valid: Property input.b is not allowed."
    )
    assert await said(fields, {"b": 1}) is None
    wanted = "Input is not valid: Field input.p is required. Please provide custom proxy URLs or use Apify Proxy."
    assert await said(fields, {"p": {"useApifyProxy": False}}, required=["p"]) == wanted
    assert await said(fields, {"p": {"proxyUrls": ["http://a.b:1"]}}, required=["p"]) is None
    several = await said({"a": {"type": "string"}, "b": {"type": "integer"}}, {"a": 1, "b": ""}, required=["c"])
    assert several is not None
    assert set(several.removeprefix("Input is not valid: ").split("; ")) == {
        "Field input.a must be string",
        "Field input.b must be integer",
        "Field input.c is required",
    }


async def test_a_long_list_of_errors_is_cut() -> None:
    names = [f"f{number}" for number in range(40)]
    text = await said({}, {}, required=names)
    assert text is not None
    assert text.count("is required") == INPUT_ERRORS_TOLD_MAX
    assert text.endswith(f"; and {40 - INPUT_ERRORS_TOLD_MAX} more")
    assert len(await said({}, {"x" * 100_000: 1}, additionalProperties=False) or "") < 1000


def test_defaults_fill_what_is_absent_and_prefill_does_nothing() -> None:
    fields = {
        "a": {"type": "string", "default": "A", "prefill": "P"},
        "b": {"type": "integer", "default": 0},
        "c": {"type": "string", "prefill": "P"},
        "d": {"type": "string", "nullable": True, "default": None},
    }
    schema = InputSchema.read({"type": "object", "properties": fields})
    given = {"a": msgspec.Raw(b"null"), "z": msgspec.Raw(b"1.0")}
    assert msgspec.json.encode(schema.filled(given)) == b'{"a":null,"z":1.0,"b":0,"d":null}'


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ([], ""),
        ({"type": "array"}, "type"),
        ({"properties": []}, "properties"),
        ({"properties": {"a": "text"}}, "properties.a"),
        ({"properties": {"a": {"patternKey": 5}}}, "properties.a.patternKey"),
        ({"properties": {"a": {"editor": "proxy", "allOf": {}}}}, "properties.a.allOf"),
        ({"properties": {str(n): {"isSecret": True} for n in range(INPUT_SECRETS_MAX + 1)}}, "properties"),
        ({"properties": {"a": {"type": "text"}}}, "properties.a.type"),
        ({"properties": {"a": {"type": "string", "pattern": "("}}}, ""),
        ({"properties": {"a": {"$ref": "https://example.com/x"}}}, ""),
        ({"properties": {"a": {"type": "object", "patternValue": "["}}}, ""),
        ({"required": "a"}, "required"),
    ],
)
async def test_what_is_no_schema_is_told_with_its_place(source: Any, path: str) -> None:
    checks = SchemaChecks()
    try:
        with pytest.raises(SchemaInvalid) as caught:
            await checks.check(InputSchema.read(source).rules, b"{}")
    finally:
        await checks.close()
    assert caught.value.path == path or not path


def exploding() -> dict[str, Any]:
    """Each definition asks for the one below it ten times."""
    definitions = {
        f"d{n}": {"allOf": [{"$ref": f"#/definitions/d{n + 1}"}] * 10} if n < 9 else {"type": "string"}
        for n in range(10)
    }
    return {"definitions": definitions, "properties": {"a": {"$ref": "#/definitions/d0"}}}


HOSTILE = {
    "loop": {"definitions": {"n": {"$ref": "#/definitions/n"}}, "properties": {"a": {"$ref": "#/definitions/n"}}},
    "tree": {"properties": {"a": {"type": "array", "items": {"$ref": "#"}}}},
    "exploding": exploding(),
    "backtracking": {"properties": {"a": {"type": "string", "pattern": r"^(?=(a+)+$)(a|a)*b\1$"}}},
    "backtracking keys": {"properties": {"a": {"type": "object", "patternKey": r"^((a+)+)\1$"}}},
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_schema_that_explodes_ends(name: str) -> None:
    """It is refused, or it checks: neither takes long."""
    text = "a" * 40
    checks, began = SchemaChecks(cpu_secs=0.4), time.monotonic()
    try:
        value: Any = {text: text} if "keys" in name else text
        await checks.check(InputSchema.read(HOSTILE[name]).rules, json.dumps({"a": value}).encode())
    except (SchemaInvalid, TooCostly):
        pass
    finally:
        await checks.close()
    assert time.monotonic() - began < 20


def test_resource_pickers_hand_over_storages() -> None:
    def picker(kind: str, *rights: str) -> dict[str, Any]:
        return {"type": "string", "resourceType": kind, "resourcePermissions": list(rights)}

    schema = {
        "properties": {
            "one": picker("dataset", "READ"),
            "many": picker("keyValueStore", "READ", "WRITE"),
            "none": picker("requestQueue"),
            "other": picker("mcpConnector", "WRITE"),
            "plain": {"type": "string"},
            "absent": picker("dataset"),
        }
    }
    values = {"one": "a", "many": ["b", "a", 7], "none": "c", "other": "d", "plain": "e"}
    assert granted(schema, values) == {
        ("dataset", "a"): ("READ",),
        ("keyValueStore", "a"): ("READ", "WRITE"),
        ("keyValueStore", "b"): ("READ", "WRITE"),
        ("requestQueue", "c"): ("READ",),
    }
    assert granted({}, values) == {}


def test_what_is_masked_of_a_secret() -> None:
    value = {"user": "alice", "key": "line one\nline two\n}", "list": [1, "abc", ["nested"]]}
    assert texts_of([value, "alice"]) == ("alice", "line one\nline two\n}", "nested")
    assert len(texts_of([[f"secret-{n}" for n in range(1000)]])) == MASKED_TEXTS_MAX
    long = texts_of([[str(n) * 20_000 for n in range(9)]])
    assert [len(text) for text in long] == [20_000, 20_000, 20_000, MASKED_CHARS_MAX - 60_000]
