"""What is wrong with a value, as AJV tells it: keyword, params, message and places of every keyword of draft-07."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorium.storages.schemas import JsonSchema

TOLD_BYTES_MAX = 10_000


def errors_of(schema: dict[str, Any], value: Any) -> list[dict[str, Any]]:
    """The errors of one value."""
    report = JsonSchema.compile(schema).report(json.dumps(value).encode(), told_bytes_max=TOLD_BYTES_MAX, shorten=False)
    if report is None:
        return []
    [invalid] = report.invalid
    assert invalid["itemPosition"] == 0
    found: list[dict[str, Any]] = invalid["validationErrors"]
    return found


SINGLE: list[tuple[dict[str, Any], Any, dict[str, Any], str]] = [
    ({"type": "string"}, 1, {"type": "string"}, "must be string"),
    ({"type": ["string", "null"]}, 1, {"type": ["string", "null"]}, "must be string,null"),
    ({"type": "integer"}, 1.5, {"type": "integer"}, "must be integer"),
    (
        {"enum": ["a", 1, None, {"b": [2]}]},
        "c",
        {"allowedValues": ["a", 1, None, {"b": [2]}]},
        "must be equal to one of the allowed values",
    ),
    ({"const": {"a": 1}}, 2, {"allowedValue": {"a": 1}}, "must be equal to constant"),
    ({"minimum": 3}, 2, {"comparison": ">=", "limit": 3}, "must be >= 3"),
    ({"maximum": 3.5}, 4, {"comparison": "<=", "limit": 3.5}, "must be <= 3.5"),
    ({"exclusiveMinimum": 3}, 3, {"comparison": ">", "limit": 3}, "must be > 3"),
    ({"exclusiveMaximum": 3}, 3, {"comparison": "<", "limit": 3}, "must be < 3"),
    ({"multipleOf": 3}, 4, {"multipleOf": 3}, "must be multiple of 3"),
    ({"minLength": 2}, "b", {"limit": 2}, "must NOT have fewer than 2 characters"),
    ({"maxLength": 2}, "bbb", {"limit": 2}, "must NOT have more than 2 characters"),
    ({"pattern": "^a+$"}, "b", {"pattern": "^a+$"}, 'must match pattern "^a+$"'),
    ({"format": "email"}, "b", {"format": "email"}, 'must match format "email"'),
    ({"minItems": 1}, [], {"limit": 1}, "must NOT have fewer than 1 items"),
    ({"maxItems": 1}, [1, 2], {"limit": 1}, "must NOT have more than 1 items"),
    (
        {"uniqueItems": True},
        [{"a": 1, "b": 2}, 5, {"b": 2.0, "a": 1}],
        {"i": 2, "j": 0},
        "must NOT have duplicate items (items ## 0 and 2 are identical)",
    ),
    ({"contains": {"type": "string"}}, [1], {"minContains": 1}, "must contain at least 1 valid item(s)"),
    ({"minProperties": 2}, {"a": 1}, {"limit": 2}, "must NOT have fewer than 2 properties"),
    ({"maxProperties": 0}, {"a": 1}, {"limit": 0}, "must NOT have more than 0 properties"),
    ({"required": ["a"]}, {}, {"missingProperty": "a"}, "must have required property 'a'"),
    (
        {"additionalProperties": False, "properties": {"a": {}}},
        {"a": 1, "b": 2},
        {"additionalProperty": "b"},
        "must NOT have additional properties",
    ),
    ({"additionalProperties": False}, {"b": 2}, {"additionalProperty": "b"}, "must NOT have additional properties"),
    (
        {"dependencies": {"a": ["b", "c"]}},
        {"a": 1, "b": 2},
        {"property": "a", "missingProperty": "c", "depsCount": 2, "deps": "b, c"},
        "must have properties b, c when property a is present",
    ),
    ({"not": {"type": "integer"}}, 1, {}, "must NOT be valid"),
    ({"oneOf": [{}, {}, {}]}, 1, {"passingSchemas": [0, 1]}, "must match exactly one schema in oneOf"),
]


@pytest.mark.parametrize(("schema", "value", "params", "message"), SINGLE, ids=lambda part: json.dumps(part)[:40])
def test_one_keyword(schema: dict[str, Any], value: Any, params: dict[str, Any], message: str) -> None:
    keyword = next(iter(schema))
    below = {"instancePath": "/x", "schemaPath": f"#/properties/x/{keyword}"}
    found = {"instancePath": "", "schemaPath": f"#/{keyword}", "keyword": keyword, "params": params, "message": message}
    assert errors_of(schema, value) == [found]
    assert errors_of({"properties": {"x": schema}}, {"x": value}) == [found | below]
    assert errors_of({"properties": {"y": schema}}, {"x": value}) == []


def test_places_are_escaped() -> None:
    schema = {"patternProperties": {"^x/ ~": {"properties": {"a b": {"items": {"type": "string"}}}}}}
    [found] = errors_of(schema, {"x/ ~1": {"a b": ["", 1]}})
    assert found["instancePath"] == "/x~1 ~01/a b/1"
    assert found["schemaPath"] == "#/patternProperties/%5Ex~1%20~0/properties/a%20b/items/type"


def test_references_are_followed_in_places() -> None:
    schema = {"definitions": {"n": {"minimum": 5}}, "items": {"$ref": "#/definitions/n"}}
    assert [(found["instancePath"], found["schemaPath"]) for found in errors_of(schema, [1, 9, 2])] == [
        ("/0", "#/definitions/n/minimum"),
        ("/2", "#/definitions/n/minimum"),
    ]


def test_false_schemas_and_more_items_than_there_may_be() -> None:
    [item] = errors_of({"items": False}, [1])
    assert (item["keyword"], item["instancePath"], item["schemaPath"], item["params"], item["message"]) == (
        "false schema",
        "/0",
        "#/items/false schema",
        {},
        "boolean schema is false",
    )
    [more] = errors_of({"items": [{}], "additionalItems": False}, [1, 2, 3])
    assert (more["keyword"], more["params"], more["message"]) == (
        "additionalItems",
        {"limit": 1},
        "must NOT have more than 1 items",
    )


def test_errors_inside_come_before_those_around() -> None:
    schema = {"anyOf": [{"type": "string"}, {"properties": {"a": {"minimum": 5}}}]}
    assert [
        (found["keyword"], found["instancePath"], found["schemaPath"]) for found in errors_of(schema, {"a": 1})
    ] == [
        ("type", "", "#/anyOf/0/type"),
        ("minimum", "/a", "#/anyOf/1/properties/a/minimum"),
        ("anyOf", "", "#/anyOf"),
    ]
    none_fits = errors_of({"oneOf": [{"type": "string"}, {"type": "null"}]}, 1)
    assert [found["keyword"] for found in none_fits] == ["type", "type", "oneOf"]
    assert none_fits[-1]["params"] == {"passingSchemas": None}


def test_names_of_properties() -> None:
    schema = {"properties": {"x": {"propertyNames": {"maxLength": 1}}}}
    name, around = errors_of(schema, {"x": {"abc": 1}})
    assert (name["keyword"], name["instancePath"], name["propertyName"]) == ("maxLength", "/x", "abc")
    assert (around["keyword"], around["schemaPath"], around["params"], around["message"]) == (
        "propertyNames",
        "#/properties/x/propertyNames",
        {"propertyName": "abc"},
        "property name must be valid",
    )


def test_branches() -> None:
    branching = {"if": {"type": "integer"}, "then": {"minimum": 5, "multipleOf": 4}, "else": {"type": "string"}}
    schema = {"definitions": {"n": branching}, "items": {"$ref": "#/definitions/n"}}
    found = [
        (each["keyword"], each["instancePath"], each["schemaPath"], each["params"].get("failingKeyword"))
        for each in errors_of(schema, [1, "fine", 1.5, 8])
    ]
    assert found == [
        ("minimum", "/0", "#/definitions/n/then/minimum", None),
        ("multipleOf", "/0", "#/definitions/n/then/multipleOf", None),
        ("if", "/0", "#/definitions/n/if", "then"),
        ("type", "/2", "#/definitions/n/else/type", None),
        ("if", "/2", "#/definitions/n/if", "else"),
    ]
    named = {"properties": {"then": {"type": "string"}, "items": {"else": {}}}}
    assert [each["keyword"] for each in errors_of(named, {"then": 1})] == ["type"]


def test_what_ajv_reads_otherwise_than_draft_07() -> None:
    nullable = {"properties": {"a": {"type": "string", "nullable": True}, "b": {"type": ["string"], "nullable": True}}}
    assert errors_of(nullable, {"a": None, "b": None}) == []
    [found] = errors_of(nullable, {"a": 1})
    assert (found["params"], found["message"]) == ({"type": "string"}, "must be string")
    assert errors_of({"properties": {"a": {"contentEncoding": "base64"}}}, {"a": "%%%"}) == []
    kept = {"properties": {"nullable": {"type": "boolean"}, "contentEncoding": {"type": "string"}}}
    assert len(errors_of(kept, {"nullable": 1, "contentEncoding": 1})) == 2


def test_numbers_as_they_are_compared_and_printed() -> None:
    assert errors_of({"const": 1}, 1.0) == []
    assert errors_of({"type": "integer"}, 10**400) == []
    [found] = errors_of({"minimum": 2.0}, 1)
    assert found["message"] == "must be >= 2"
