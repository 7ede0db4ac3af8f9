"""What an Actor's definition says about the storages that each of its runs gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSchemas:
    """Schemas, where the definition has any."""

    datasets: Mapping[str, Schema]
    """By alias."""
    key_value_store: Schema | None


def storage_schemas(definition: Mapping[str, Any] | None) -> StorageSchemas:
    """The schemas in a definition whose references are resolved."""
    storages = _objects((definition or {}).get("storages"))
    datasets = {"default": storages["dataset"]} if "dataset" in storages else {}
    datasets |= _objects(storages.get("datasets"))
    return StorageSchemas(datasets=datasets, key_value_store=storages.get("keyValueStore"))


def _objects(value: Any) -> dict[str, Schema]:
    """The members of an object that are objects themselves; of anything else none."""
    return {name: each for name, each in value.items() if isinstance(each, dict)} if isinstance(value, dict) else {}
