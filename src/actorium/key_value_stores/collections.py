"""The collections of a key-value store's schema: named groups of keys, and what their records have to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from actorium.kernel.limits import COLLECTIONS_MAX
from actorium.key_value_stores.errors import StoreSchemaInvalid, UnknownCollection
from actorium.key_value_stores.keys import is_key_part
from actorium.storages.schema_checks import SchemaChecks, TooCostly
from actorium.storages.schemas import SchemaInvalid

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One collection: the record of one key, or all whose keys begin alike."""

    name: str
    key: str | None
    prefix: str | None
    content_types: tuple[str, ...] = ()
    """Without parameters, in lower case; ``image/*`` is all images. Empty: any."""
    json_schema: Mapping[str, Any] | None = None

    def holds(self, key: str) -> bool:
        return key == self.key if self.key is not None else key.startswith(self.prefix or "")

    def takes(self, content_type: str) -> bool:
        """Whether records may have the type. Parameters don't count."""
        kind = bare(content_type)
        anything = f"{kind.partition('/')[0]}/*"
        return not self.content_types or kind in self.content_types or anything in self.content_types


@dataclass(frozen=True, slots=True)
class Selection:
    """Keys of a store: those that begin with a prefix, or exactly one."""

    prefix: str = ""
    is_exact: bool = False


NOTHING = None
"""The selection of no keys."""


def selection(schema: Mapping[str, Any] | None, *, prefix: str, collection: str | None) -> Selection | None:
    """The keys that begin with a prefix and are in a collection; None for none at all. Raises UnknownCollection."""
    if collection is None:
        return Selection(prefix) if is_key_part(prefix) else None
    found = next((one for one in collections_of(schema) if one.name == collection), None)
    if found is None:
        raise UnknownCollection(f"The key-value store's schema has no collection {collection[:80]!r}.")
    if found.key is not None:
        return Selection(found.key, is_exact=True) if found.key.startswith(prefix) else None
    own = found.prefix or ""
    if own.startswith(prefix) or prefix.startswith(own):
        longer = max(own, prefix, key=len)
        return Selection(longer) if is_key_part(longer) else None
    return None


def collections_of(schema: Mapping[str, Any] | None) -> Iterator[Collection]:
    """The collections that a stored schema describes. What is not as it should be asks for nothing: a schema that came
    with an Actor's definition was never refused, and its runs have to be able to store their state."""
    described = (schema or {}).get("collections")
    for name, each in described.items() if isinstance(described, dict) else ():
        if not isinstance(each, dict):
            continue
        key, prefix, types, json_schema = (
            each.get(part) for part in ("key", "keyPrefix", "contentTypes", "jsonSchema")
        )
        if isinstance(key, str) != isinstance(prefix, str):
            yield Collection(
                name=name,
                key=key if isinstance(key, str) else None,
                prefix=prefix if isinstance(prefix, str) else None,
                content_types=tuple(map(bare, filter(_is_text, types if isinstance(types, list) else ()))),
                json_schema=json_schema if isinstance(json_schema, dict) else None,
            )


def bare(content_type: str) -> str:
    """A content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


async def check_schema(schemas: SchemaChecks, schema: Mapping[str, Any] | None) -> None:
    """Refuse what cannot be the schema of a key-value store. Raises StoreSchemaInvalid, which names the field."""
    if schema is None:
        return
    version = schema.get("actorKeyValueStoreSchemaVersion", _VERSION)
    if version != _VERSION or isinstance(version, bool):
        raise StoreSchemaInvalid("schema.actorKeyValueStoreSchemaVersion", f"it must be {_VERSION}")
    described = schema.get("collections")
    if described is None:
        return
    if not isinstance(described, dict):
        raise StoreSchemaInvalid("schema.collections", "it must be an object of collections by their names")
    if len(described) > COLLECTIONS_MAX:
        raise StoreSchemaInvalid("schema.collections", f"it must have up to {COLLECTIONS_MAX} members")
    for name, each in described.items():
        field = f"schema.collections.{name[:80]}"
        _check_one(each, field)
        await _check_json_schema(schemas, each.get("jsonSchema"), f"{field}.jsonSchema")


def _check_one(each: Any, field: str) -> None:
    if not isinstance(each, dict):
        raise StoreSchemaInvalid(field, "it must be an object")
    given = [part for part in ("key", "keyPrefix") if each.get(part) is not None]
    if len(given) != 1:
        raise StoreSchemaInvalid(field, "it must have either a key or a keyPrefix")
    [part] = given
    if not isinstance(each[part], str) or not each[part] or not is_key_part(each[part]):
        raise StoreSchemaInvalid(f"{field}.{part}", "it must be a text of characters that keys may have")
    types = each.get("contentTypes")
    if types is not None and not (isinstance(types, list) and all(_is_text(kind) and "/" in kind for kind in types)):
        raise StoreSchemaInvalid(f"{field}.contentTypes", "it must be a list of content types such as image/png")


async def _check_json_schema(schemas: SchemaChecks, json_schema: Any, field: str) -> None:
    if json_schema is None:
        return
    try:
        await schemas.compile(json_schema)
    except SchemaInvalid as error:
        raise StoreSchemaInvalid(".".join(filter(None, (field, error.path))), str(error)) from None
    except TooCostly:
        raise StoreSchemaInvalid(field, "it takes too long to read; make it simpler") from None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
