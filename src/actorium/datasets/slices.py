"""A pushed body cut into its items, whose bytes are kept as they came. Pure functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from actorium.kernel.errors import InvalidInput, InvalidJson
from actorium.kernel.limits import ITEM_DEPTH_MAX

_ONE = msgspec.json.Decoder(msgspec.Raw)
_MANY = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_WHITESPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Slices:
    """Items as JSON texts joined by newlines; no item holds a raw newline."""

    payload: bytes
    count: int
    clean_count: int
    """How many are left when hidden fields are dropped and then empty items."""


def slice_items(body: bytes) -> Slices:
    """The items of an object, an array of objects, or a JSON string that holds either.

    Raises InvalidJson, or InvalidInput for items that are not objects.
    """
    try:
        if not body.isascii():
            body.decode()  # the JSON library lets broken UTF-8 inside strings pass
        body = body.strip(_WHITESPACE)
        if body[:1] == b'"':
            body = _TEXT.decode(body).encode().strip(_WHITESPACE)
        return _sliced(body)
    except UnicodeError:
        raise InvalidJson("The items are not valid UTF-8.") from None
    except RecursionError:
        raise _too_deep() from None
    except msgspec.DecodeError as error:
        raise InvalidJson(f"The items are not valid JSON: {error}.") from None


def _sliced(body: bytes) -> Slices:
    if b"\n" in body or b"\r" in body:  # never inside a string, where they are escaped
        body = body.replace(b"\n", b" ").replace(b"\r", b" ")
    opening = body[:1]
    if opening == b"{":
        _ONE.decode(body)
        items = [body]
    elif opening == b"[":
        items = [bytes(item) for item in _MANY.decode(body)]
    else:
        _ONE.decode(body)
        raise InvalidInput("Items must be an object or an array of objects.")
    unclean = 0
    for position, item in enumerate(items):
        if item[:1] != b"{":
            raise InvalidInput(f"The item at position {position} is not an object: items must be objects.")
        if item[1:2] != b'"' or item[2:3] in (b"#", b"\\"):
            unclean += _is_unclean(item)
        if item.count(b"{") + item.count(b"[") > ITEM_DEPTH_MAX:
            _check_depth(item)
    return Slices(b"\n".join(items), len(items), len(items) - unclean)


def _is_unclean(item: bytes) -> bool:
    """Whether nothing is left of it without hidden fields."""
    return all(key.startswith("#") for key in msgspec.json.decode(item, type=dict[str, msgspec.Raw]))


def _check_depth(item: bytes) -> None:
    level: list[Any] = [loads(item)]
    for _ in range(ITEM_DEPTH_MAX):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> InvalidInput:
    return InvalidInput(f"The items are nested too deeply: up to {ITEM_DEPTH_MAX} levels are stored.")


def loads(item: bytes) -> Any:
    """An item as values. A number too large for the fast reader is read as Python reads it."""
    try:
        return msgspec.json.decode(item)
    except msgspec.DecodeError:
        return json.loads(item, parse_int=_integer)


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # thousands of digits
        return float(digits)
