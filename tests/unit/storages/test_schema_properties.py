"""Whatever the schema and the value: an answer in AJV's shape, or a reason why there is none."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.storages.schema_anatomy import depth_of, readied, weigh
from actorium.storages.schemas import JsonSchema, SchemaInvalid, TooDeep

NAMES = st.sampled_from(["a", "b", "then", "items", "x/y", "~", "$ref", "properties", "type", "é"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 5) | st.floats(-2, 2) | st.sampled_from(["", "a", "ab", "1", "é"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
COUNTS = st.integers(0, 3)
TYPES = st.sampled_from(["null", "boolean", "object", "array", "number", "string", "integer"])
REFERENCES = st.sampled_from(
    ["#", "#/definitions/a", "#/definitions/b", "#/properties/a", "#/none", "http://127.0.0.1/"]
)
PATTERNS = st.sampled_from(["^a", "b$", "^(?!a)", r"\d+", "", "^(a+)+$"])


def keywords(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    several, named = st.lists(inner, min_size=1, max_size=3), st.dictionaries(NAMES, inner, max_size=3)
    return {
        **dict.fromkeys(("not", "if", "then", "else", "contains", "propertyNames", "additionalProperties"), inner),
        **dict.fromkeys(("allOf", "anyOf", "oneOf"), several),
        **dict.fromkeys(("properties", "definitions"), named),
        **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), COUNTS),
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), st.integers(-2, 3)),
        "items": inner | several,
        "additionalItems": inner,
        "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
        "dependencies": st.dictionaries(NAMES, inner | st.lists(NAMES, unique=True, max_size=3), max_size=2),
        "required": st.lists(NAMES, unique=True, max_size=3),
        "type": TYPES | st.lists(TYPES, min_size=1, unique=True, max_size=3),
        "nullable": st.booleans(),
        "enum": st.lists(SCALARS, min_size=1, max_size=3, unique_by=json.dumps),
        "const": VALUES,
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "pattern": PATTERNS,
        "format": st.sampled_from(["email", "date-time", "uri", "regex", "nonsense"]),
        "uniqueItems": st.booleans(),
        "contentEncoding": st.just("base64"),
        "$ref": REFERENCES,
    }


SCHEMAS = st.recursive(
    st.booleans() | st.fixed_dictionaries({}, optional={"type": TYPES, "const": SCALARS, "$ref": REFERENCES}),
    lambda inner: st.fixed_dictionaries({}, optional=keywords(inner)),
    max_leaves=8,
)


@settings(max_examples=100)
@given(SCHEMAS.filter(lambda schema: isinstance(schema, dict)), VALUES)
def test_any_schema_and_value(schema: dict[str, Any], value: Any) -> None:
    before = json.dumps(schema)
    weigh(schema)
    readied(schema)
    document = json.dumps(value).encode()
    try:
        compiled = JsonSchema.compile(schema)
        report = compiled.report(document, told_bytes_max=10_000, shorten=False)
    except (SchemaInvalid, TooDeep) as error:
        assert not isinstance(error, SchemaInvalid) or str(error)
        return
    finally:
        assert json.dumps(schema) == before
    if report is None:
        return
    errors = report.invalid[0]["validationErrors"]
    assert errors
    for found in errors:
        assert {"instancePath", "schemaPath", "keyword", "params", "message"} <= set(found)
        assert found["instancePath"] == "" or found["instancePath"].startswith("/")
        assert found["schemaPath"].startswith("#")
        assert found["message"].startswith(("must ", "boolean schema is false", "property name must"))
        assert isinstance(found["params"], dict)
    msgspec.json.encode(errors)


@given(VALUES)
def test_depth(value: Any) -> None:
    def deep(node: Any) -> int:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        return 1 + max(map(deep, children), default=-1) if children else 0

    assert depth_of(value) == deep(value)
