"""Storages that an input hands over to a run: what its resource pickers hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READ, WRITE = "READ", "WRITE"
STORAGE_TYPES = frozenset({"dataset", "keyValueStore", "requestQueue"})


def is_resource(field: Mapping[str, Any]) -> bool:
    """Whether a field of an input schema picks a resource."""
    return isinstance(field.get("resourceType"), str)


def granted(schema: Mapping[str, Any], input: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The storages in a valid input by id or name as they are given: READ, or READ and WRITE."""
    fields = schema.get("properties")
    rights: dict[str, set[str]] = {}
    for name, field in fields.items() if isinstance(fields, dict) else ():
        if not isinstance(field, dict) or field.get("resourceType") not in STORAGE_TYPES:
            continue
        wanted = field.get("resourcePermissions")
        may_write = isinstance(wanted, list) and WRITE in wanted
        picked = input.get(name)
        for one in picked if isinstance(picked, list) else [picked]:
            if isinstance(one, str):
                rights.setdefault(one, {READ}).update((WRITE,) if may_write else ())
    return {one: tuple(sorted(each)) for one, each in rights.items()}
