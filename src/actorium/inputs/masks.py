"""Which texts of a secret value a log must not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from actorium.kernel.limits import MASKED_BYTES_MAX, MASKED_TEXTS_MAX

_CHARS_MIN = 4  # shorter ones are never masked


def texts_of(values: Iterable[Any]) -> tuple[str, ...]:
    """The texts in secret values as a line of a log could hold them, up to a number and a size of them together."""
    found: dict[str, None] = {}
    size = 0
    for value in values:
        for text in _lines(value):
            size += len(text.encode()) if text not in found else 0
            if size > MASKED_BYTES_MAX or len(found) >= MASKED_TEXTS_MAX:
                return tuple(found)
            found[text] = None
    return tuple(found)


def _lines(value: Any) -> Iterator[str]:
    for text in _texts(value):
        escaped = msgspec.json.encode(text).decode()[1:-1]
        for line in (*text.splitlines(), *((escaped,) if escaped != text else ())):
            if len(line.strip()) >= _CHARS_MIN:
                yield line.strip()


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, whatever is around them, those that lie on the surface first."""
    level = [value]
    while level:
        yield from (each for each in level if isinstance(each, str))
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
