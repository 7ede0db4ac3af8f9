"""What an actor.json may say: fields of the wrong type would break the clients that read the build, or its runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from actorium.actors.changes import check_name
from actorium.builders import BuildFailed
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import (
    DATASET_ALIAS_CHARS_MAX,
    DATASET_ALIASES_MAX,
    EXPRESSION_CHARS_MAX,
    MEMORY_MBYTES_MAX,
    MEMORY_MBYTES_MIN,
    OUTPUT_TEMPLATES_CHARS_MAX,
)

_VERSION = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+)?")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TEXTS = (
    "name", "title", "description", "buildTag", "dockerfile", "dockerContextDir", "readme", "changelog",
    "webServerMcpPath",
)  # fmt: skip
_MEMORY = f"a number from {MEMORY_MBYTES_MIN} to {MEMORY_MBYTES_MAX}"


def check_fields(document: Mapping[str, Any], place: str) -> None:
    """Raises BuildFailed, which names the file and the field. ``place``: where actor.json is."""
    for name, is_good, wanted in _CHECKS:
        if name in document and not is_good(document[name]):
            raise BuildFailed(f'{place}: "{name}" must be {wanted}.')
    low, high = document.get("minMemoryMbytes"), document.get("maxMemoryMbytes")
    if low is not None and high is not None and low > high:
        raise BuildFailed(f'{place}: "minMemoryMbytes" is {low}, more than "maxMemoryMbytes", which is {high}.')


def remark_on_name(document: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """Builds do not need the name, and published examples have titles there; clients that push do need it."""
    try:
        check_name(document.get("name", "no-name"))
    except InvalidInput as error:
        return (f'{place}: "name": {error.message}',)
    return ()


def check_storages(storages: Mapping[str, Any], place: str) -> None:
    """The datasets of a run: one, or several with aliases. Raises BuildFailed."""
    aliases = storages.get("datasets")
    if aliases is None:
        return
    if not isinstance(aliases, dict):
        raise BuildFailed(f'{place}: "storages.datasets" must be an object of aliases.')
    if storages.get("dataset") is not None:
        raise BuildFailed(
            f'{place}: "storages" has "dataset" and "datasets". Keep one of them; the alias of the default dataset in'
            ' "datasets" is "default".'
        )
    for alias in aliases:
        if len(alias) > DATASET_ALIAS_CHARS_MAX or _ALIAS.fullmatch(alias) is None:
            raise BuildFailed(
                f'{place}: "storages.datasets" has the alias {alias[:DATASET_ALIAS_CHARS_MAX]!r}. An alias has up to'
                f" {DATASET_ALIAS_CHARS_MAX} letters, digits and underscores and begins with a letter."
            )
    if not 1 <= len(aliases) <= DATASET_ALIASES_MAX:
        raise BuildFailed(f'{place}: "storages.datasets" must have 1 to {DATASET_ALIASES_MAX} aliases.')
    if "default" not in aliases:
        raise BuildFailed(f'{place}: "storages.datasets" must have the alias "default" among its aliases.')


def output_templates(schema: Mapping[str, Any], place: str) -> dict[str, str]:
    """The templates of an output schema by the names of its properties. Raises BuildFailed."""
    version = schema.get("actorOutputSchemaVersion", 1)
    if version != 1 or isinstance(version, bool):
        raise BuildFailed(f'{place}: "actorOutputSchemaVersion" must be 1.')
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise BuildFailed(f'{place}: "properties" must be an object.')
    templates = {}
    for name, each in properties.items():
        field = f"properties.{name[:80]}"
        if not isinstance(each, dict):
            raise BuildFailed(f'{place}: "{field}" must be an object.')
        if each.get("type", "string") != "string":
            raise BuildFailed(f'{place}: "{field}.type" must be "string": an output is a link or another text.')
        if not isinstance(each.get("template"), str):
            raise BuildFailed(
                f'{place}: "{field}.template" must be a text such as "{{{{links.apiDefaultDatasetUrl}}}}".'
            )
        templates[name] = each["template"]
    if sum(len(name) + len(text) for name, text in templates.items()) > OUTPUT_TEMPLATES_CHARS_MAX:
        raise BuildFailed(
            f'{place}: the names and templates of "properties" have more than {OUTPUT_TEMPLATES_CHARS_MAX} characters.'
        )
    return templates


def check_web_server_schema(schema: Mapping[str, Any], place: str) -> None:
    """It is an OpenAPI document of version 3. Raises BuildFailed."""
    version = schema.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        raise BuildFailed(f'{place}: "openapi" must be the version of OpenAPI that it is written in, such as 3.0.0.')
    if not isinstance(schema.get("paths", {}), dict):
        raise BuildFailed(f'{place}: "paths" must be an object.')


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_memory(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and MEMORY_MBYTES_MIN <= value <= MEMORY_MBYTES_MAX


def _is_default_memory(value: Any) -> bool:
    """What an expression means is seen when it is used: one that fails then leaves the Actor's default."""
    return (isinstance(value, str) and 0 < len(value) <= EXPRESSION_CHARS_MAX) or _is_memory(value)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


_CHECKS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    *((name, _is_text, "a path" if name in ("readme", "changelog") else "a text") for name in _TEXTS),
    ("actorSpecification", lambda value: value == 1 and not isinstance(value, bool), "1"),
    ("version", lambda value: isinstance(value, str) and bool(_VERSION.fullmatch(value)), "like 0.1"),
    ("minMemoryMbytes", _is_memory, _MEMORY),
    ("maxMemoryMbytes", _is_memory, _MEMORY),
    ("defaultMemoryMbytes", _is_default_memory, f"a number or an expression of {EXPRESSION_CHARS_MAX} characters"),
    ("usesStandbyMode", lambda value: isinstance(value, bool), "true or false"),
    ("storages", _is_object, "an object"),
    ("meta", _is_object, "an object"),
    ("environmentVariables", _is_text_map, "an object of texts"),
)
