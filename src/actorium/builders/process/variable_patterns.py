"""The patterns in variables of Dockerfiles: ``*`` is anything, ``?`` one character, a backslash makes plain.

Matched place by place and not by regular expressions, which a Dockerfile could make run for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

from actorium.kernel.limits import DOCKERFILE_PATTERN_WORK_MAX


class Wild(Enum):
    """What in a pattern is no character of its own."""

    ANYTHING = "*"
    ONE = "?"


_Tokens: TypeAlias = Sequence[str | Wild]


class PatternTooLarge(ValueError):
    """A value and a pattern are too long for each other."""


def trimmed(value: str, pattern: str, operator: str) -> str:
    """The value without the start (``#``) or the end (``%``) that fits; the sign twice for the longest."""
    tokens = _tokens(pattern)
    _check(value, tokens, starts=1)
    at_end = operator[0] == "%"
    ends = _ends(value[::-1], tokens[::-1], 0) if at_end else _ends(value, tokens, 0)
    if not ends:
        return value
    cut = max(ends) if len(operator) == 2 else min(ends)
    return value[: len(value) - cut] if at_end else value[cut:]


def replaced(value: str, pattern: str, new: str, *, all_of_them: bool) -> str:
    """The value with the first match of the pattern, or all of them, replaced; of each the longest."""
    tokens = _tokens(pattern)
    plain = "".join(token for token in tokens if isinstance(token, str))
    if len(plain) == len(tokens):
        return value.replace(plain, new, -1 if all_of_them else 1) if plain else value
    _check(value, tokens, starts=len(value))
    out: list[str] = []
    at = 0
    while at < len(value):
        end = max(_ends(value, tokens, at), default=at)
        if end == at:
            out.append(value[at])
            at += 1
            continue
        out.append(new)
        at = end
        if not all_of_them:
            break
    return "".join(out) + value[at:]


def _tokens(pattern: str) -> _Tokens:
    out: list[str | Wild] = []
    characters = iter(pattern)
    for char in characters:
        if char == "\\":
            out.append(next(characters, char))
        else:
            out.append(Wild(char) if char in "*?" else char)
    return out


def _check(value: str, tokens: _Tokens, *, starts: int) -> None:
    if len(value) * len(tokens) * starts > DOCKERFILE_PATTERN_WORK_MAX:
        raise PatternTooLarge("a variable's value is too long for such a pattern: cut it in a RUN instead")


def _ends(value: str, tokens: _Tokens, start: int) -> set[int]:
    """Every place where a match that begins at ``start`` may end."""
    places = {start}
    for token in tokens:
        if not places:
            break
        if token is Wild.ANYTHING:
            places = set(range(min(places), len(value) + 1))
        else:
            places = {at + 1 for at in places if at < len(value) and token in (Wild.ONE, value[at])}
    return places
