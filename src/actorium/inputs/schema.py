"""An input schema, read once for a build: its defaults, what is secret in it, and what checks an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from actorium.inputs.resources import is_resource
from actorium.inputs.rules import rules_of
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import INPUT_SECRETS_MAX
from actorium.storages.schemas import SchemaInvalid, check_shape

Fields = Mapping[str, Mapping[str, Any]]
Values = dict[str, msgspec.Raw]
"""An input by its top-level keys; the values stay as they were sent."""


def value_of(raw: msgspec.Raw) -> Any:
    """Raises InvalidInput for what is nested too deeply or has numbers too large."""
    try:
        return msgspec.json.decode(raw)
    except (RecursionError, msgspec.DecodeError) as error:
        raise InvalidInput(f"Input is not valid: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSchema:
    """What a build's definition says about inputs."""

    source: Mapping[str, Any]
    defaults: Mapping[str, msgspec.Raw]
    secrets: tuple[str, ...]
    """The fields whose values are encrypted."""
    resources: tuple[str, ...]
    """The fields that may hand over storages."""
    rules: Mapping[str, Any]
    """A plain JSON schema of the whole input."""
    size: int
    """Bytes of the source."""

    @property
    def fields(self) -> Fields:
        fields: Fields = self.source.get("properties", {})
        return fields

    @classmethod
    def read(cls, source: Any) -> InputSchema:
        """Raises SchemaInvalid for what cannot be an input schema. Whether its rules can be used is not looked at."""
        if isinstance(source, dict):
            source = {name: value for name, value in source.items() if name != "$schema"}  # names an editor's own
        check_shape(source)
        rules = rules_of(source)
        fields: Fields = source.get("properties", {})
        secrets = tuple(name for name, field in fields.items() if field.get("isSecret") is True)
        if len(secrets) > INPUT_SECRETS_MAX:
            raise SchemaInvalid(f"it has more than {INPUT_SECRETS_MAX} secret fields", path="properties")
        return cls(
            source=source,
            defaults={
                name: msgspec.Raw(msgspec.json.encode(field["default"]))
                for name, field in fields.items()
                if "default" in field
            },
            secrets=secrets,
            resources=tuple(name for name, field in fields.items() if is_resource(field)),
            rules=rules,
            size=len(msgspec.json.encode(source)),
        )

    def filled(self, values: Values) -> Values:
        """The values with the defaults of the fields that are absent. A field that is null is there."""
        return values | {name: default for name, default in self.defaults.items() if name not in values}
