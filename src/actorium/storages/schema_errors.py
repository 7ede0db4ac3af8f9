"""What is wrong with a value, in the words and the shape of AJV, which clients and people know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote

import msgspec
from jsonschema_rs import ValidationError, ValidationErrorKind

from actorium.storages.schema_anatomy import Path, at, unescaped

Found = dict[str, Any]
"""``instancePath``, ``schemaPath``, ``keyword``, ``params``, ``message``; inside propertyNames ``propertyName`` too."""

Words = tuple[str, Mapping[str, Any], str]
"""Keyword, params, message."""

_FRAGMENT_SAFE = "!~*'()-._"
_NAMED = ("$defs", "definitions", "dependencies", "patternProperties", "properties")
_BRANCHES = ("then", "else")
_DEEPER = ("additionalItems", "additionalProperties", "contains", "items", "patternProperties", "properties")
_COMPARISONS = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
_LENGTHS = {
    "minLength": "fewer than {} characters",
    "maxLength": "more than {} characters",
    "minItems": "fewer than {} items",
    "maxItems": "more than {} items",
    "additionalItems": "more than {} items",
    "minProperties": "fewer than {} properties",
    "maxProperties": "more than {} properties",
}
_PLAIN: dict[str, Words] = {
    "anyOf": ("anyOf", {}, "must match a schema in anyOf"),
    "not": ("not", {}, "must NOT be valid"),
    "contains": ("contains", {"minContains": 1}, "must contain at least 1 valid item(s)"),
    "falseSchema": ("false schema", {}, "boolean schema is false"),
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an error was found."""

    schema: Mapping[str, Any]
    """All of it, as its author wrote it."""
    value: Any
    """All of it, too."""


def told(errors: Sequence[ValidationError], *, schema: Mapping[str, Any], value: Any) -> Iterator[Found]:
    """The library's errors about a value as AJV would tell them, those inside before those around them."""
    place = _Place(schema, value)
    for branch, inside in groupby(errors, key=lambda error: _branch_of(error, schema)):
        for error in inside:
            yield from _each(error, place)
        if branch is not None:
            instance, around, name = branch
            message = f'must match "{name}" schema'
            yield _found(instance, (*around, "if"), "if", params={"failingKeyword": name}, message=message)


def _each(error: ValidationError, place: _Place) -> Iterator[Found]:
    kind = error.kind
    path = tuple(error.schema_path)
    if isinstance(kind, ValidationErrorKind.PropertyNames):
        yield from _property_name(kind.error, place, around=tuple(error.instance_path))
        return
    if isinstance(
        kind, ValidationErrorKind.AnyOf | ValidationErrorKind.OneOfNotValid | ValidationErrorKind.OneOfMultipleValid
    ):
        for inner in kind.context:
            yield from told(inner, schema=place.schema, value=place.value)
    for keyword, params, message in _words(error, path, place):
        last = () if path[-1:] == (keyword,) or keyword == "dependencies" else (keyword,)
        yield _found(tuple(error.instance_path), (*path, *last), keyword, params=params, message=message)


def _words(error: ValidationError, path: Path, place: _Place) -> Iterator[Words]:
    """An error of the library in AJV's words: several where AJV counts each."""
    kind = error.kind
    if isinstance(kind, ValidationErrorKind.AdditionalProperties):
        yield from map(_additional, kind.unexpected)
    elif isinstance(kind, ValidationErrorKind.FalseSchema) and path[-1:] == ("additionalProperties",):
        value = at(place.value, tuple(error.instance_path))  # there are no properties beside it
        yield from map(_additional, value if isinstance(value, dict) else ())
    elif isinstance(kind, ValidationErrorKind.Required):
        yield _required(kind.property, path, error, place=place)
    elif isinstance(kind, ValidationErrorKind.UniqueItems):
        yield _unique(error, path, place)
    else:
        yield _measured(kind) or _other(kind, path=path, place=place)


def _measured(kind: ValidationErrorKind) -> Words | None:
    """What is too small or too large."""
    keyword = kind.name
    if keyword in _COMPARISONS:
        limit, sign = kind.as_dict()["limit"], _COMPARISONS[keyword]
        return keyword, {"comparison": sign, "limit": limit}, f"must be {sign} {_text(limit)}"
    if keyword in _LENGTHS:
        limit = kind.as_dict()["limit"]
        return keyword, {"limit": limit}, f"must NOT have {_LENGTHS[keyword].format(limit)}"
    return None


def _additional(name: str) -> Words:
    return "additionalProperties", {"additionalProperty": name}, "must NOT have additional properties"


def _other(kind: ValidationErrorKind, *, path: Path, place: _Place) -> Words:
    keyword = kind.name
    match kind:
        case ValidationErrorKind.Type():
            own = at(place.schema, path)
            types = own if isinstance(own, str | list) else kind.types
            return keyword, {"type": types}, f"must be {types if isinstance(types, str) else ','.join(map(str, types))}"
        case ValidationErrorKind.Enum():
            return keyword, {"allowedValues": kind.options}, "must be equal to one of the allowed values"
        case ValidationErrorKind.Constant():
            return keyword, {"allowedValue": kind.expected_value}, "must be equal to constant"
        case ValidationErrorKind.MultipleOf():
            number = at(place.schema, path)
            return keyword, {"multipleOf": number}, f"must be multiple of {_text(number)}"
        case ValidationErrorKind.OneOfNotValid():
            return keyword, {"passingSchemas": None}, "must match exactly one schema in oneOf"
        case ValidationErrorKind.OneOfMultipleValid():
            passing = [number for number, inner in enumerate(kind.context) if not inner][:2]
            return keyword, {"passingSchemas": passing}, "must match exactly one schema in oneOf"
        case ValidationErrorKind.Format():
            return keyword, {"format": kind.format}, f'must match format "{kind.format}"'
        case ValidationErrorKind.Pattern():
            return keyword, {"pattern": kind.pattern}, f'must match pattern "{kind.pattern}"'
        case ValidationErrorKind.BacktrackLimitExceeded() | ValidationErrorKind.RegexEngineFailure():
            return keyword, {}, "must match a pattern that can be checked in time, which this one can't"
    return _PLAIN.get(keyword, (keyword, {}, f"must be valid against {keyword}"))


def _required(missing: str, path: Path, error: ValidationError, *, place: _Place) -> Words:
    if path[-1:] != ("dependencies",):
        return "required", {"missingProperty": missing}, f"must have required property '{missing}'"
    value, rules = at(place.value, tuple(error.instance_path)), at(place.schema, path)
    for name, needed in rules.items() if isinstance(rules, dict) and isinstance(value, dict) else ():
        if name in value and isinstance(needed, list) and missing in needed:
            noun = "property" if len(needed) == 1 else "properties"
            listed = ", ".join(needed)
            params = {"property": name, "missingProperty": missing, "depsCount": len(needed), "deps": listed}
            return "dependencies", params, f"must have {noun} {listed} when property {name} is present"
    return "dependencies", {"missingProperty": missing}, f"must have property {missing}"


def _unique(error: ValidationError, path: Path, place: _Place) -> Words:
    """Which two are equal: AJV looks from behind, and the other way round where items are no lists and no objects."""
    items = list(enumerate(at(place.value, tuple(error.instance_path)) or ()))
    rules = at(place.schema, path[:-1])
    are_simple = _are_simple(rules.get("items") if isinstance(rules, dict) else None)
    seen: dict[bytes, int] = {}
    found, other = 0, 0
    for number, item in reversed(items) if are_simple else items:
        text = msgspec.json.encode(_whole(item), order="deterministic")
        if text in seen:
            found, other = number, seen[text]
            if are_simple:
                break
        seen[text] = number
    message = f"must NOT have duplicate items (items ## {other} and {found} are identical)"
    return "uniqueItems", {"i": found, "j": other}, message


def _are_simple(items: Any) -> bool:
    """Whether the rules of a list's items say that they are neither lists nor objects."""
    types = items.get("type") if isinstance(items, dict) else None
    types = [types] if isinstance(types, str) else types
    return isinstance(types, list) and len(types) > 0 and not {"array", "object"} & set(map(str, types))


def _property_name(inner: ValidationError, place: _Place, *, around: Path) -> Iterator[Found]:
    name, path = inner.instance, tuple(inner.schema_path)
    for found in _each(inner, _Place(place.schema, name)):
        yield found | {"instancePath": _pointer(around), "propertyName": name}
    outer = path[: len(path) - path[::-1].index("propertyNames")] if "propertyNames" in path else path
    yield _found(around, outer, "propertyNames", params={"propertyName": name}, message="property name must be valid")


def _branch_of(error: ValidationError, schema: Mapping[str, Any]) -> tuple[Path, Path, str] | None:
    """The outermost then or else that an error lies in: where in the value, in which schema, and which of the two."""
    here: Path = ()
    depth, named = 0, False
    for step in error.evaluation_path:
        if named:
            here, named = (*here, step), False
        elif step in _BRANCHES:
            return tuple(error.instance_path[:depth]), here, str(step)
        elif step == "$ref":
            here = unescaped(str(at(schema, (*here, "$ref"))))
        else:
            here, named = (*here, step), step in _NAMED
            depth += step in _DEEPER
    return None


def _found(instance: Path, path: Path, keyword: str, *, params: Mapping[str, Any], message: str) -> Found:
    return {
        "instancePath": _pointer(instance),
        "schemaPath": fragment(path),
        "keyword": keyword,
        "params": dict(params),
        "message": message,
    }


def fragment(path: Path) -> str:
    """A place in a schema as ``schemaPath`` names it."""
    steps = [step if step == "false schema" else quote(_escaped(step), safe=_FRAGMENT_SAFE) for step in path]
    return "/".join(["#", *steps])


def _pointer(path: Path) -> str:
    return "".join(f"/{_escaped(step)}" for step in path)


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _text(number: Any) -> str:
    """A number as JavaScript prints it."""
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


def _whole(value: Any) -> Any:
    """Numbers that are equal in JSON made equal in Python's text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value
