"""An input on its way from a caller to a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from actorium.builds.row import BuildRow
from actorium.http.route import RawBody
from actorium.inputs.resources import Handed
from actorium.inputs.schema import Values
from actorium.kernel.errors import InvalidInput
from actorium.kernel.json_texts import checked, lenient
from actorium.kernel.structs import decode

T = TypeVar("T")

JSON_INPUT = "application/json; charset=utf-8"
OTHER_INPUT = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a run gets as its input."""

    build_id: str | None = None
    """The build whose input schema was looked at; None: there is none."""
    content: bytes = field(default=b"", repr=False)
    """Empty: the run has no input. Secrets in it are encrypted."""
    content_type: str = JSON_INPUT
    body_len: int | None = None
    """Bytes that the caller sent; None: nothing."""
    granted: Handed = field(default_factory=dict)
    """Storages that the input hands over: READ, or READ and WRITE."""
    masked: tuple[str, ...] = field(default=(), repr=False)
    """What the run's log must not show."""

    def check_fits(self, build: BuildRow) -> None:
        """Raises OtherBuild unless what a build wants of an input was done, and nothing else."""
        if self.build_id != (build.id if build.facts.has_input_schema else None):
            raise OtherBuild(build)


class OtherBuild(Exception):
    """An input was made ready for another build than the one that gets it: prepare it for this one."""

    def __init__(self, build: BuildRow) -> None:
        super().__init__(build.id)
        self.build = build


def is_json(body: RawBody) -> bool:
    return (body.content_type or "").partition(";")[0].strip().lower() == "application/json"


def is_nothing(body: RawBody) -> bool:
    """Whether a body says that there is no input: it is empty, or JSON, as what names no type may be, and null.

    What is not JSON is an input also where it reads like one of these.
    """
    return not body.content or ((not body.content_type or is_json(body)) and body.content.strip() in (b"", b"null"))


def as_sent(body: RawBody) -> Prepared:
    """The input of a run whose build has no input schema. Raises InvalidInput for what says it is JSON and is not."""
    if is_nothing(body):
        return Prepared()
    content = body.content
    if is_json(body):
        content = _decoded(content, checked)
    return Prepared(content=content, content_type=body.content_type or OTHER_INPUT, body_len=len(body.content))


def values_of(content: bytes) -> Values:
    """The fields of an input that is a JSON object. Raises InvalidInput."""
    try:
        content.decode()  # msgspec lets broken UTF-8 inside strings pass
        return _decoded(content, _fields)
    except msgspec.ValidationError:
        raise InvalidInput("Input is not valid: Input must be object") from None
    except UnicodeDecodeError:
        raise InvalidInput("The input is sent as application/json and is not valid UTF-8.") from None


def _fields(text: bytes) -> Values:
    return decode(text, Values)


def _decoded(content: bytes, how: Callable[[bytes], T]) -> T:
    try:
        return lenient(content, how)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(f"The input is sent as application/json and is no valid JSON: {error}") from error
