"""A dataset's schema: whether it can be used, and whether items are as it wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actorium.kernel.errors import Invalid, InvalidInput
from actorium.storages.schema_checks import SchemaChecks, TooCostly
from actorium.storages.schemas import SchemaInvalid, TooDeep

_VERSION = 1


class DatasetSchemaInvalid(Invalid):
    """The dataset's schema cannot be used."""

    type = "dataset-schema-invalid"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f'The field "{field}" of the dataset is not valid: {reason}.')
        self.field, self.reason = field, reason


class ItemsInvalid(Invalid):
    """Schema validation failed. Nothing was stored; invalidItems in the data of this error says what is wrong."""

    type = "schema-validation-error"


async def check_schema(schemas: SchemaChecks, schema: Mapping[str, Any] | None) -> None:
    """Refuse what cannot be the schema of a dataset. Raises DatasetSchemaInvalid, which names the field."""
    if schema is None:
        return
    _check_shape(schema)
    fields = schema.get("fields")
    if fields is None:
        return
    try:
        await schemas.compile(fields)
    except SchemaInvalid as error:
        raise _unusable(error) from None
    except TooCostly:
        raise DatasetSchemaInvalid("schema.fields", "it takes too long to read; make it simpler") from None


async def check_items(
    schemas: SchemaChecks, schema: Mapping[str, Any], items: Sequence[bytes], *, user_id: str
) -> None:  # fmt: skip
    """Refuse a user's items, which are JSON texts without newlines, that are not as the schema's fields want them.

    Raises ItemsInvalid, whose data lists the first invalid ones; DatasetSchemaInvalid.
    """
    fields = schema.get("fields")
    if fields is None or not items:
        return
    try:
        report = await schemas.check(fields, items[0] if len(items) == 1 else b"\n".join(items), user_id=user_id)
    except SchemaInvalid as error:
        raise _unusable(error) from None
    except TooDeep:
        raise InvalidInput("The items are nested too deeply to be checked against the dataset's schema.") from None
    except TooCostly:
        raise ItemsInvalid(
            "Schema validation failed: to check the items against the dataset's schema takes too long. "
            "Send fewer at a time, or make the schema simpler."
        ) from None
    if report is not None:
        raise ItemsInvalid(data={"invalidItems": report.invalid})


def _check_shape(schema: Mapping[str, Any]) -> None:
    version = schema.get("actorSpecification", _VERSION)
    if version != _VERSION or isinstance(version, bool):
        raise DatasetSchemaInvalid("schema.actorSpecification", f"it must be {_VERSION}")
    fields = schema.get("fields")
    if fields is not None and not isinstance(fields, dict):
        raise DatasetSchemaInvalid("schema.fields", "it must be a JSON schema, which is an object")
    types = (fields or {}).get("type", "object")
    if isinstance(types, str | list) and "object" not in types:
        raise DatasetSchemaInvalid("schema.fields.type", "it must be object: the schema is that of a single item")
    _check_views(schema.get("views"))


def _check_views(views: Any) -> None:
    if views is None:
        return
    if not isinstance(views, dict):
        raise DatasetSchemaInvalid("schema.views", "it must be an object of views by their names")
    for name, view in views.items():
        if not isinstance(view, dict):
            raise DatasetSchemaInvalid(f"schema.views.{name[:80]}", "it must be an object")
        for part in ("transformation", "display"):
            if not isinstance(view.get(part, {}), dict):
                raise DatasetSchemaInvalid(f"schema.views.{name[:80]}.{part}", "it must be an object")
        transformation = view.get("transformation", {})
        for part in ("fields", "omit", "flatten", "unwind"):
            named = transformation.get(part)
            names = [named] if isinstance(named, str) else named
            if names is not None and not (isinstance(names, list) and all(isinstance(one, str) for one in names)):
                where = f"schema.views.{name[:80]}.transformation.{part}"
                raise DatasetSchemaInvalid(where, "it must be names of fields")


def _unusable(error: SchemaInvalid) -> DatasetSchemaInvalid:
    return DatasetSchemaInvalid(".".join(filter(None, ("schema.fields", error.path))), str(error))
