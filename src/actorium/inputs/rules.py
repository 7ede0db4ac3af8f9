"""From an input schema, which has words of its own, to a plain JSON schema that checks the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from actorium.inputs.resources import is_resource
from actorium.storages.schemas import SchemaInvalid

Json = dict[str, Any]

_REMARKS = frozenset(
    (
        "$schema", "title", "description", "default", "prefill", "example", "examples", "schemaVersion",
        "sectionCaption", "sectionDescription", "$comment",
    )
)  # fmt: skip
"""What is for people and editors only. Schemas of the wild are careless with some of it, so none of it is checked."""
_PATTERNS = ("patternKey", "patternValue")
_URL = r"^\s*[hH][tT][tT][pP][sS]?://[^\s/?#]"
_PROXY_URL = r"^(?:https?|socks[45][ah]?)://[^\s/?#]+"
_RESOURCE = r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*[~/])?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$"
_RESOURCE_CHARS_MAX = 160


def rules_of(schema: Mapping[str, Any]) -> Json:
    """The JSON schema of the whole input. Raises SchemaInvalid."""
    if schema.get("type", "object") != "object":
        raise SchemaInvalid("it must be object: an input is a JSON object", path="type")
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise SchemaInvalid("it must be an object of fields", path="properties")
    needed = schema.get("required")
    required = frozenset(each for each in needed if isinstance(each, str)) if isinstance(needed, list) else frozenset()
    rules = _without_remarks(schema)
    rules["type"] = "object"
    rules["properties"] = {
        name: _field(field, f"properties.{name}", is_required=name in required) for name, field in properties.items()
    }
    return rules


def _without_remarks(schema: Mapping[str, Any]) -> Json:
    return {name: value for name, value in schema.items() if name not in _REMARKS}


def _field(field: Any, path: str, *, is_required: bool) -> Any:
    if not isinstance(field, dict):
        raise SchemaInvalid("it must be an object", path=path)
    rules = _without_remarks(field)
    if field.get("nullable") is True and isinstance(field.get("enum"), list) and None not in field["enum"]:
        rules["enum"] = [*field["enum"], None]
    more = [*_patterns(field, path), *_by_editor(field, is_required=is_required)]
    if more:
        own = field.get("allOf", [])
        if not isinstance(own, list):
            raise SchemaInvalid("it must be a list of schemas", path=f"{path}.allOf")
        rules["allOf"] = [*own, *more]
    return rules


def _patterns(field: Mapping[str, Any], path: str) -> Iterator[Json]:
    """Patterns for the keys and values of objects, of lists of keys with values, and of lists of texts."""
    for name in _PATTERNS:
        if not isinstance(field.get(name, ""), str):
            raise SchemaInvalid("it must be a regular expression, which is a text", path=f"{path}.{name}")
    key, value = (field.get(name) for name in _PATTERNS)
    if key:
        yield {"propertyNames": {"pattern": key}, "items": {"properties": {"key": {"pattern": key}}}}
    if value:
        text = {"type": "string", "pattern": value}
        yield {"additionalProperties": text, "items": {"pattern": value, "properties": {"value": text}}}


def _by_editor(field: Mapping[str, Any], *, is_required: bool) -> Iterator[Json]:
    """What the choice of an editor says about values."""
    editor = field.get("editor")
    if editor == "requestListSources":
        url = {"type": "string", "pattern": _URL}
        yield {
            "items": {
                "type": "object",
                "anyOf": [{"required": ["url"]}, {"required": ["requestsFromUrl"]}],
                "properties": {"url": url, "requestsFromUrl": url},
            }
        }
    elif editor == "proxy":
        yield {"properties": {"proxyUrls": {"items": {"type": "string", "pattern": _PROXY_URL}}}}
        if is_required and field.get("nullable") is not True:
            own = {"properties": {"proxyUrls": {"type": "array", "minItems": 1}}, "required": ["proxyUrls"]}
            offered = {"properties": {"useApifyProxy": {"const": True}}, "required": ["useApifyProxy"]}
            yield {"anyOf": [offered, own]}
    if is_resource(field):
        name = {"pattern": _RESOURCE, "maxLength": _RESOURCE_CHARS_MAX}
        yield {**name, "items": {"type": "string", **name}}
