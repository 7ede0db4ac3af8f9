"""Storages that an input hands over to a run: what its resource pickers hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READ, WRITE = "READ", "WRITE"
DATASET, KEY_VALUE_STORE, REQUEST_QUEUE = "dataset", "keyValueStore", "requestQueue"
STORAGE_TYPES = frozenset({DATASET, KEY_VALUE_STORE, REQUEST_QUEUE})


def is_resource(field: Mapping[str, Any]) -> bool:
    """Whether a field of an input schema picks a resource."""
    return isinstance(field.get("resourceType"), str)


Handed = Mapping[tuple[str, str], tuple[str, ...]]
"""Rights by resourceType and what was picked: storages of several kinds may have one name."""


def granted(schema: Mapping[str, Any], input: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The storages in a valid input by kind and by id or name as they are given: READ, or READ and WRITE."""
    fields = schema.get("properties")
    rights: dict[tuple[str, str], set[str]] = {}
    for name, field in fields.items() if isinstance(fields, dict) else ():
        if not isinstance(field, dict) or (kind := field.get("resourceType")) not in STORAGE_TYPES:
            continue
        wanted = field.get("resourcePermissions")
        may_write = isinstance(wanted, list) and WRITE in wanted
        picked = input.get(name)
        for one in picked if isinstance(picked, list) else [picked]:
            if isinstance(one, str):
                rights.setdefault((kind, one), {READ}).update((WRITE,) if may_write else ())
    return {one: tuple(sorted(each)) for one, each in rights.items()}
