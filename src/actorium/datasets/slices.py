"""A pushed body cut into its items, whose bytes are kept as they came, but for halves of pairs. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

from actorium.kernel.errors import InvalidInput, InvalidJson
from actorium.kernel.json_texts import lenient
from actorium.kernel.limits import ITEM_DEPTH_MAX

_ONE = msgspec.json.Decoder(msgspec.Raw)
_MANY = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_WHITESPACE = b" \t\r\n"
_HEAD = itemgetter(slice(0, 3))
_HEADS_KNOWN = frozenset(bytes((*b'{"', third)) for third in range(256) if third not in b"#\\")
"""How items begin of which nothing more needs to be known: an object with a first key that is not hidden."""
_GROUP = 32  # items that together rarely have as many brackets as one that is nested too deeply


@dataclass(frozen=True, slots=True)
class Slices:
    """Items as JSON texts; none holds a raw newline."""

    items: Sequence[bytes]
    clean_count: int
    """How many are left when hidden fields are dropped and then empty items."""

    @property
    def count(self) -> int:
        return len(self.items)


def slice_items(body: bytes) -> Slices:
    """The items of an object, an array of objects, or a JSON string that holds either.

    Raises InvalidJson, or InvalidInput for items that are not objects.
    """
    try:
        if not body.isascii():
            body.decode()  # the JSON library lets broken UTF-8 inside strings pass
        body = body.strip(_WHITESPACE)
        if body[:1] == b'"':
            body = lenient(body, _TEXT.decode).encode().strip(_WHITESPACE)
        return lenient(body, _sliced)
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
        items = [*map(bytes, _MANY.decode(body))]
    else:
        _ONE.decode(body)
        raise InvalidInput("Items must be an object or an array of objects.")
    unclean = 0
    if not _HEADS_KNOWN.issuperset(map(_HEAD, items)):
        unclean = _count_unclean(items)
    for first in range(0, len(items), _GROUP):
        group = items[first : first + _GROUP]
        if _brackets(b"".join(group)) > ITEM_DEPTH_MAX:
            for item in group:
                _check_depth(item)
    return Slices(items, len(items) - unclean)


def _count_unclean(items: Sequence[bytes]) -> int:
    unclean = 0
    for position, item in enumerate(items):
        if item[:1] != b"{":
            raise InvalidInput(f"The item at position {position} is not an object: items must be objects.")
        if item[:3] not in _HEADS_KNOWN:
            unclean += _is_unclean(item)
    return unclean


def _is_unclean(item: bytes) -> bool:
    """Whether nothing is left of it without hidden fields."""
    return all(key.startswith("#") for key in msgspec.json.decode(item, type=dict[str, msgspec.Raw]))


def _brackets(text: bytes) -> int:
    """How many open. Leaving them out is how bytes are counted fastest."""
    return 2 * len(text) - len(text.replace(b"{", b"")) - len(text.replace(b"[", b""))


def _check_depth(item: bytes) -> None:
    if _brackets(item) <= ITEM_DEPTH_MAX:
        return
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
