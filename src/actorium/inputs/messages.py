"""What is wrong with an input in one line, in the form that users of the API know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from actorium.inputs.resources import is_resource
from actorium.kernel.limits import INPUT_ERRORS_TOLD_MAX
from actorium.storages.schema_anatomy import Path, unescaped
from actorium.storages.schema_errors import Found

_NAME_CHARS_MAX = 200
_CHOICES_CHARS_MAX = 500


def told(errors: Sequence[Found], fields: Mapping[str, Any]) -> str:
    """The errors of a check. ``fields``: the input schema's properties."""
    lines = list(dict.fromkeys(_lines(errors, fields)))
    more = len(lines) - INPUT_ERRORS_TOLD_MAX
    shown = "; ".join(lines[:INPUT_ERRORS_TOLD_MAX]) + (f"; and {more} more" if more > 0 else "")
    return f"Input is not valid: {shown}"


def _lines(errors: Iterable[Found], fields: Mapping[str, Any]) -> Iterator[str]:
    errors = list(errors)
    for error in errors:
        path = unescaped(error["instancePath"])
        field = fields.get(str(path[0]), {}) if path else {}
        special = _by_editor(error, path, field, errors)
        if special is not None:
            yield special
        elif error["keyword"] == "required":
            yield f"Field {_name((*path, error['params']['missingProperty']), field)} is required"
        elif error["keyword"] == "additionalProperties":
            yield f"Property {_name((*path, error['params']['additionalProperty']), field)} is not allowed"
        elif not path:
            yield f"Input {error['message']}"
        elif error["keyword"] == "propertyNames":
            continue  # what is wrong with the name is an error of its own
        else:
            yield _of_field(error, path, field)


def _by_editor(error: Found, path: Path, field: Mapping[str, Any], errors: Sequence[Found]) -> str | None:
    """One line about all that is wrong with a field, where its editor leads people to expect that."""
    editor = field.get("editor")
    if editor == "requestListSources" and len(path) > 1:
        places = sorted({int(each) for each in _second_steps(errors, str(path[0])) if each.isdigit()})
        return f"Items in {_name(path[:1], field)} at positions {places} do not contain valid URLs"
    if editor == "proxy" and "/anyOf" in error["schemaPath"]:
        return f"Field {_name(path[:1], field)} is required: choose a proxy or give proxyUrls of your own"
    return None


def _of_field(error: Found, path: Path, field: Mapping[str, Any]) -> str:
    keyword, name = error["keyword"], _name(path, field)
    if "propertyName" in error and not _is_secret(field):
        return f"Keys of field {name} {error['message']}, which {_cut(str(error['propertyName']))!r} does not"
    if is_resource(field) and keyword in ("pattern", "maxLength"):
        return f"Field {name} must be the id or the name of a {field['resourceType']}"
    if keyword == "enum":
        choices = msgspec.json.encode(error["params"].get("allowedValues", [])).decode()[1:-1]
        return f"Field {name} {error['message']}: {_cut(choices, _CHOICES_CHARS_MAX)}"
    return f"Field {name} {error['message']}"


def _second_steps(errors: Iterable[Found], field: str) -> Iterator[str]:
    for error in errors:
        path = unescaped(error["instancePath"])
        if len(path) > 1 and path[0] == field:
            yield str(path[1])


def _name(path: Sequence[str | int], field: Mapping[str, Any]) -> str:
    """A field as users write it. Of what is inside a secret nothing is told."""
    steps = path[:1] if _is_secret(field) else path
    return _cut(".".join(("input", *map(str, steps))))


def _is_secret(field: Mapping[str, Any]) -> bool:
    return field.get("isSecret") is True


def _cut(text: str, most: int = _NAME_CHARS_MAX) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
