"""The secret fields of one input, in clear and encrypted. The work is done in a thread: it grows with the values."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from actorium.inputs.encryption import CannotOpen, encrypted, is_encrypted, is_for, opened
from actorium.inputs.keys import Pair
from actorium.inputs.schema import Values, value_of
from actorium.kernel.ids import Ids


@dataclass(frozen=True, slots=True)
class Secrets:
    """Secret values by field."""

    clear: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Texts, objects and lists that could be read."""
    opened: frozenset[str] = frozenset()
    """Those of them that came encrypted."""
    closed: frozenset[str] = frozenset()
    """Fields that came encrypted with another key: nobody here can tell what they are."""
    outdated: frozenset[str] = frozenset()
    """Fields that came encrypted for another schema than theirs."""


NONE = Secrets()


async def uncover(values: Values, pair: Pair | None, fields: Mapping[str, Any]) -> Secrets:
    """What secret fields hold. Those that are no text, object or list are no secrets, and are left out.

    ``fields``: the input schema's properties.

    Raises InvalidInput.
    """
    return await asyncio.to_thread(_uncover, values, pair, fields)


async def encrypt(values: Values, *, fields: Mapping[str, Any], pair: Pair, ids: Ids) -> Values:
    """Secret values as they are stored. ``fields``: the input schema's properties."""
    return await asyncio.to_thread(_encrypt, values, fields, pair, ids)


def _uncover(values: Values, pair: Pair | None, fields: Mapping[str, Any]) -> Secrets:
    clear: dict[str, Any] = {}
    were_closed, stay_closed, outdated = set(), set(), set()
    for name, raw in values.items():
        value = value_of(raw)
        if not isinstance(value, str | dict | list):
            continue
        if not is_encrypted(value):
            clear[name] = value
            continue
        if not is_for(value, fields[name]):
            outdated.add(name)
        try:
            clear[name] = _open(value, pair)
            were_closed.add(name)
        except CannotOpen:
            stay_closed.add(name)
    return Secrets(clear, frozenset(were_closed), frozenset(stay_closed), frozenset(outdated))


def _open(value: Any, pair: Pair | None) -> Any:
    if pair is None:
        raise CannotOpen
    return opened(value, key=pair.private)


def _encrypt(values: Values, fields: Mapping[str, Any], pair: Pair, ids: Ids) -> Values:
    return {
        name: msgspec.Raw(msgspec.json.encode(encrypted(bytes(value), field=fields[name], key=pair.public, ids=ids)))
        for name, value in values.items()
    }
