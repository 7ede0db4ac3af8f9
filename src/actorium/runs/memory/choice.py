"""What memory a run gets, in MB: what was asked for, or what the Actor says of an input, within its own bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actorium.kernel.limits import MEMORY_MBYTES_MAX, MEMORY_MBYTES_MIN
from actorium.runs.errors import InvalidMemory
from actorium.runs.memory.errors import ExpressionError
from actorium.runs.memory.evaluation import evaluate
from actorium.runs.memory.operations import number
from actorium.runs.memory.syntax import parse


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what an Actor's runs can be: powers of two."""

    least: int = MEMORY_MBYTES_MIN
    most: int = MEMORY_MBYTES_MAX

    def clamped(self, memory_mbytes: int) -> int:
        return max(self.least, min(memory_mbytes, self.most))


NO_BOUNDS = Bounds()


def bounds_of(least: int | None, most: int | None) -> Bounds:
    """Of what a definition says: the powers of two between. Bounds that leave none are not applied."""
    low = 1 << (max(least or 0, MEMORY_MBYTES_MIN) - 1).bit_length()
    high = 1 << (max(min(most or MEMORY_MBYTES_MAX, MEMORY_MBYTES_MAX), 1).bit_length() - 1)
    return Bounds(low, high) if low <= high else NO_BOUNDS


def fault(expression: str) -> str | None:
    """What is wrong with the text of an expression, whatever the input; None: nothing."""
    try:
        parse(expression)
    except ExpressionError as error:
        return str(error)
    return None


def checked(memory_mbytes: float, bounds: Bounds) -> int:
    """Memory that was asked for, fractions rounded. Raises InvalidMemory."""
    memory = round(memory_mbytes) if math.isfinite(memory_mbytes) else 0
    if not MEMORY_MBYTES_MIN <= memory <= MEMORY_MBYTES_MAX or memory.bit_count() != 1:
        raise InvalidMemory(
            f"Memory is {memory_mbytes:g} MB; it must be a power of two"
            f" between {MEMORY_MBYTES_MIN} and {MEMORY_MBYTES_MAX} MB."
        )
    if not bounds.least <= memory <= bounds.most:
        raise InvalidMemory(
            f"Memory is {memory} MB; this build of the Actor runs with {bounds.least} to {bounds.most} MB. Ask for"
            " as much, or for nothing."
        )
    return memory


def of_definition(said: int | str, names: Mapping[str, Any], bounds: Bounds) -> int:
    """What a definition's ``defaultMemoryMbytes`` means for an input. Raises ExpressionError.

    The power of two that is nearest by ratio, kept in bounds.
    """
    found = evaluate(said, names) if isinstance(said, str) else said
    if isinstance(found, bool | str):
        raise ExpressionError("its value is a text or a truth value, and memory is a number above 0")
    value = number(found)
    if not math.isfinite(value) or value <= 0:
        raise ExpressionError(f"its value is {value:g}, and memory is a number above 0")
    return bounds.clamped(int(2.0 ** max(0, min(round(math.log2(value)), 30))))
