"""Which texts of a secret value a log must not show. How a log could show them is known to ``logs.masking``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from actorium.kernel.limits import MASKED_CHARS_MAX, MASKED_TEXTS_MAX

_CHARS_MIN = 4  # shorter ones are never masked


def texts_of(values: Iterable[Any]) -> tuple[str, ...]:
    """The texts in secret values, up to a number and a size of them together; the last one may be cut."""
    found: dict[str, None] = {}
    room = MASKED_CHARS_MAX
    for value in values:
        for text in _texts(value):
            part = text[:room]
            if len(part) < _CHARS_MIN or part in found:
                continue
            found[part] = None
            room -= len(part)
            if len(found) == MASKED_TEXTS_MAX:
                return tuple(found)
    return tuple(found)


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
