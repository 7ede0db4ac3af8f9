"""Whether runs of a build could use the schemas in its definition. What they could not use ends the build."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from actorium.builders import BuildFailed
from actorium.builds.definition import Definition
from actorium.datasets.validation import DatasetSchemaInvalid
from actorium.datasets.validation import check_schema as check_dataset
from actorium.inputs.messages import told
from actorium.inputs.schema import InputSchema
from actorium.kernel.errors import Unavailable
from actorium.kernel.structs import encode
from actorium.key_value_stores.collections import check_schema as check_store
from actorium.key_value_stores.errors import StoreSchemaInvalid
from actorium.storages.schema_anatomy import subschemas
from actorium.storages.schema_checks import SchemaChecks, TooCostly
from actorium.storages.schemas import SchemaInvalid, TooDeep

_REMARKS_MAX = 5
_SECRET_TYPES = ("string", "object", "array", "null")


class DefinitionChecks:
    """Asks of a definition what runs will ask of it."""

    def __init__(self, schemas: SchemaChecks, *, fault_of_expression: Callable[[str], str | None]) -> None:
        """``fault_of_expression``: what is wrong with the text of a memory expression; None: nothing."""
        self._schemas = schemas
        self._fault_of_expression = fault_of_expression

    async def check(self, definition: Definition) -> list[str]:
        """What the build's log should say besides. Raises BuildFailed, which names the file and the field."""
        document, places = definition.document, definition.places
        remarks = [*definition.remarks, *self._memory(document)]
        try:
            if "input" in document:
                remarks += [each async for each in self._input(document["input"], places["input"])]
            await self._storages(document.get("storages", {}), places)
        except Unavailable:  # nobody looked; the first run will
            remarks.append("The schemas were not checked, because too many others are being checked now.")
        return remarks

    def _memory(self, document: Mapping[str, Any]) -> list[str]:
        said = document.get("defaultMemoryMbytes")
        fault = self._fault_of_expression(said) if isinstance(said, str) else None
        if fault is None:
            return []
        return [f'"defaultMemoryMbytes" cannot be read, so runs get the memory of the Actor\'s settings: {fault}.']

    async def _input(self, source: Any, place: str) -> AsyncIterator[str]:
        if source.get("schemaVersion", 1) != 1:
            raise BuildFailed(f'{place}: "schemaVersion" must be 1.')
        try:
            schema = InputSchema.read(source)
            _check_secrets(schema)
            for where in islice(_secrets_inside(schema), _REMARKS_MAX):
                yield f'{place}: "{where[:200]}.isSecret" hides nothing: make the whole field secret.'
            await self._schemas.compile(schema.rules)
            await self._defaults(schema, place)
        except SchemaInvalid as error:
            raise _failed(place, error.path, str(error)) from error
        except (TooCostly, TooDeep):
            yield f"{place}: starts of this build may be refused, as it takes too long to read. Make it simpler."

    async def _defaults(self, schema: InputSchema, place: str) -> None:
        """Each start without the field would be refused for the sake of a default that does not fit it."""
        if not schema.defaults:
            return
        around = {name: schema.rules[name] for name in ("definitions", "$defs") if name in schema.rules}
        fields = {"type": "object", "properties": schema.rules["properties"]}
        defaults = encode({name: msgspec.json.decode(text) for name, text in schema.defaults.items()})
        report = await self._schemas.check(around | fields, defaults)
        if report is not None:
            reasons = told(report.invalid[0]["validationErrors"], schema.fields, schema.defaults)
            reasons = reasons.removeprefix("Input is not valid: ").rstrip(".")
            raise BuildFailed(f"{place}: a default does not fit its field: {reasons}.")

    async def _storages(self, storages: Mapping[str, Any], places: Mapping[str, str]) -> None:
        datasets = {"storages.dataset": storages.get("dataset")} | {
            f"storages.datasets.{alias}": schema for alias, schema in storages.get("datasets", {}).items()
        }
        for field, schema in datasets.items():
            try:
                await check_dataset(self._schemas, schema)
            except DatasetSchemaInvalid as error:
                raise _failed(places[field], error.field, error.reason) from error
        try:
            await check_store(self._schemas, storages.get("keyValueStore"))
        except StoreSchemaInvalid as error:
            raise _failed(places["storages.keyValueStore"], error.field, error.reason) from error


def _check_secrets(schema: InputSchema) -> None:
    """What its author calls secret and cannot be encrypted would be stored in clear. Raises SchemaInvalid."""
    for name in schema.secrets:
        types = schema.fields[name].get("type")
        if any(one not in _SECRET_TYPES for one in (types if isinstance(types, list) else [types])):
            raise SchemaInvalid(
                "only a string, an object or an array can be secret; give the field one of these types",
                path=f"properties.{name}.isSecret",
            )


def _secrets_inside(schema: InputSchema) -> Iterator[str]:
    """Where below a field something is called secret: it is not, but as a part of a whole field that is."""
    for name, field in schema.fields.items():
        if name not in schema.secrets:
            yield from _secrets_in(field, f"properties.{name}")


def _secrets_in(part: Mapping[str, Any], where: str) -> Iterator[str]:
    for path, each in subschemas(part):
        if isinstance(each, dict):
            place = ".".join((where, *map(str, path)))
            if each.get("isSecret") is True:
                yield place
            yield from _secrets_in(each, place)


def _failed(place: str, path: str, reason: str) -> BuildFailed:
    where = f'{place}: "{path.removeprefix("schema.")[:200]}"' if path else place
    return BuildFailed(f"{where}: {reason}.")
