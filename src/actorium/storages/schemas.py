"""JSON schemas that users give, made ready to check values: draft-07, nothing ever fetched, patterns bounded.

What is done here may still take long for a schema made to; ``schema_checks`` decides where it is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
from jsonschema_rs import Draft7Validator, FancyRegexOptions, RegexOptions, ValidationError

from actorium.kernel.limits import (
    INVALID_ITEMS_MAX,
    ITEM_ERRORS_MAX,
    SCHEMA_BACKTRACKS_MAX,
    SCHEMA_BYTES_MAX,
    SCHEMA_DEPTH_MAX,
    SCHEMA_PATTERN_BYTES_MAX,
    VALIDATION_REPORT_BYTES_MAX,
)
from actorium.storages.schema_anatomy import depth_of, readied
from actorium.storages.schema_errors import Found, told

DRAFT = "http://json-schema.org/draft-07/schema"
_MASK = "the value"


class SchemaInvalid(Exception):
    """A schema that cannot be used; the text says why, ``path`` where: ``properties.price.type``."""

    def __init__(self, reason: str, *, path: str = "") -> None:
        super().__init__(reason)
        self.path = path


class TooDeep(Exception):
    """A value is nested more deeply than can be checked."""


class TooLong(Exception):
    """An invalid text is too long for all its errors to be listed."""


class Report(msgspec.Struct, frozen=True):
    """Which of several values are invalid and why: the first ones, as ``error.data.invalidItems`` shows them."""

    invalid: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A compiled schema."""

    source: Mapping[str, Any]
    validator: Draft7Validator

    @classmethod
    def compile(cls, source: Any, *, linear: bool = False) -> JsonSchema:
        """Raises SchemaInvalid. ``linear`` takes only patterns whose time grows with the text's length, and small ones;
        others raise SchemaInvalid, too."""
        check_shape(source)
        engine = (
            RegexOptions(size_limit=SCHEMA_PATTERN_BYTES_MAX) if linear else FancyRegexOptions(SCHEMA_BACKTRACKS_MAX)
        )
        try:
            validator = Draft7Validator(
                readied(source), offline=True, validate_formats=True, mask=_MASK, pattern_options=engine
            )
        except ValidationError as error:
            path = ".".join(str(step) for step in error.instance_path)
            raise SchemaInvalid(_reason(error), path=path) from None
        except ValueError as error:
            raise SchemaInvalid(str(error)) from None
        return cls(source, validator)

    def report(self, documents: bytes, *, told_bytes_max: int, shorten: bool) -> Report | None:
        """What is wrong with JSON texts joined by newlines; None if they are all valid. Raises TooDeep.

        told_bytes_max: longer texts are not told with all their errors. With ``shorten`` they are told with their
        first one, else they raise TooLong.
        """
        invalid: list[dict[str, Any]] = []
        size = 0
        for position, document in enumerate(documents.split(b"\n")):
            value = _value(document)
            try:
                if self.validator.is_valid(value):
                    continue
                if len(document) > told_bytes_max and not shorten:
                    raise TooLong
                errors = self._errors(value, all_of_them=len(document) <= told_bytes_max)
            except ValueError as error:  # of the library: it has a limit of levels
                raise TooDeep(str(error)) from None
            invalid.append({"itemPosition": position, "validationErrors": errors})
            size += len(msgspec.json.encode(errors))
            if len(invalid) == INVALID_ITEMS_MAX or size > VALIDATION_REPORT_BYTES_MAX:
                break
        return Report(invalid) if invalid else None

    def _errors(self, value: Any, *, all_of_them: bool) -> list[Found]:
        found = list(self.validator.iter_errors(value)) if all_of_them else [self._first(value)]
        return list(islice(told(found, schema=self.source, value=value), ITEM_ERRORS_MAX))

    def _first(self, value: Any) -> ValidationError:
        try:
            self.validator.validate(value)
        except ValidationError as error:
            return error
        raise AssertionError("a value is invalid and has no error")


def check_shape(source: Any) -> None:
    """Refuse what the library would not, or not in words that help. Raises SchemaInvalid."""
    if not isinstance(source, dict):
        raise SchemaInvalid("it must be a JSON schema, which is an object")
    if depth_of(source) > SCHEMA_DEPTH_MAX:
        raise SchemaInvalid(f"it is nested too deeply: use up to {SCHEMA_DEPTH_MAX} levels")
    if len(msgspec.json.encode(source)) > SCHEMA_BYTES_MAX:
        raise SchemaInvalid(f"it is larger than {SCHEMA_BYTES_MAX} bytes")
    draft = source.get("$schema", DRAFT)
    if not isinstance(draft, str) or draft.replace("https:", "http:", 1).rstrip("#") != DRAFT:
        raise SchemaInvalid(f"it must be {DRAFT}# or be left out", path="$schema")


def _reason(error: ValidationError) -> str:
    """Why the library refuses a schema."""
    if "Retrieval is disabled" in error.message:
        return "it refers to another document, and none is ever fetched: put what it refers to under definitions"
    if error.instance_path[-1:] == ["type"]:
        return "it must be one of array, boolean, integer, null, number, object and string, or a list of them"
    return error.message


def _value(document: bytes) -> Any:
    """A JSON text as values. A number too large for the fast reader is read as Python reads it."""
    try:
        return msgspec.json.decode(document)
    except msgspec.DecodeError:
        return json.loads(document, parse_int=_integer)
    except RecursionError:
        raise TooDeep("it is nested too deeply") from None


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # thousands of digits
        return float(digits)
