"""What is wrong with an input in one line, in the form that users of the API know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from actorium.inputs.resources import is_resource
from actorium.inputs.rules import Rule, rule_at
from actorium.inputs.words import Wrong, cut, is_secret, name_of, told_together
from actorium.kernel.limits import INPUT_ERRORS_TOLD_MAX
from actorium.storages.schema_anatomy import Path, steps_of
from actorium.storages.schema_errors import Found, fragment

_CHOICES_CHARS_MAX = 500


def told(errors: Sequence[Found], fields: Mapping[str, Any], values: Mapping[str, msgspec.Raw]) -> str:
    """The errors of a check. ``fields``: the input schema's properties; ``values``: what was checked."""
    return _joined(list(dict.fromkeys(_lines(errors, fields, values))))


def told_outdated(names: Sequence[str]) -> str:
    """About secret fields whose values were encrypted for another schema."""
    return _joined(
        [
            f"The field schema.properties.{cut(name)} is a secret field, but its schema has changed. "
            "Please update the value in the input editor."
            for name in names
        ]
    )


def _joined(lines: Sequence[str]) -> str:
    more = len(lines) - INPUT_ERRORS_TOLD_MAX
    shown = "; ".join(lines[:INPUT_ERRORS_TOLD_MAX]) + (f"; and {more} more" if more > 0 else "")
    return f"Input is not valid: {shown}"


def _lines(
    errors: Sequence[Found], fields: Mapping[str, Any], values: Mapping[str, msgspec.Raw]
) -> Iterator[str]:  # fmt: skip
    rules = [_rule_of(error, fields) for error in errors]
    for error, rule in zip(errors, rules, strict=True):
        path = steps_of(error["instancePath"])
        field = fields.get(str(path[0]), {}) if path else {}
        if rule is not None and rule is not Rule.RESOURCE:
            all_of_it = [
                (kind, each)
                for kind, each in zip(rules, errors, strict=True)
                if kind is not None and steps_of(each["instancePath"])[:1] == path[:1]
            ]
            yield told_together(Wrong(str(path[0]), field, all_of_it, values[str(path[0])]))
        elif error["keyword"] == "required":
            yield f"Field {name_of((*path, error['params']['missingProperty']), field)} is required"
        elif error["keyword"] == "additionalProperties":
            yield f"Property {name_of((*path, error['params']['additionalProperty']), field)} is not allowed."
        elif not path:
            yield f"Input {error['message']}"
        elif error["keyword"] == "propertyNames":
            continue  # what is wrong with the name is an error of its own
        else:
            yield _of_field(error, path, field)


def _rule_of(error: Found, fields: Mapping[str, Any]) -> Rule | None:
    """Which rule of the field's own an error comes from; None: what the author wrote in the words of JSON schema."""
    path = steps_of(error["instancePath"])
    if not path or str(path[0]) not in fields:
        return None
    start = fragment(("properties", path[0], "allOf")) + "/"
    if not error["schemaPath"].startswith(start):
        return None
    place = error["schemaPath"].removeprefix(start).partition("/")[0]
    return rule_at(int(place), fields[str(path[0])]) if place.isdecimal() else None


def _of_field(error: Found, path: Path, field: Mapping[str, Any]) -> str:
    keyword, name = error["keyword"], name_of(path, field)
    if "propertyName" in error and not is_secret(field):
        return f"Keys of field {name} {error['message']}, which {cut(str(error['propertyName']))!r} does not"
    if is_resource(field) and keyword in ("pattern", "maxLength"):
        return f"Field {name} must be the id or the name of a {field['resourceType']}"
    if keyword == "enum":
        choices = ", ".join(_choices(error["params"].get("allowedValues", [])))
        return f"Field {name} {error['message']}: {cut(choices, _CHOICES_CHARS_MAX)}"
    return f"Field {name} {error['message']}"


def _choices(values: Iterable[Any]) -> Iterator[str]:
    """Each in quotes, also what is no text. Null is there for the sake of ``nullable``, and not told."""
    for value in values:
        if value is not None:
            yield f'"{value}"' if isinstance(value, str) else f'"{msgspec.json.encode(value).decode()}"'
