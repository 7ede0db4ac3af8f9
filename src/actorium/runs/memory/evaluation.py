"""Runs the program of an expression."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from actorium.kernel.limits import EXPRESSIONS_KNOWN_MAX
from actorium.runs.memory.operations import truth
from actorium.runs.memory.syntax import Step, parse


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression where ``input`` and ``runOptions`` stand for ``names``. Raises ExpressionError."""
    steps = _parsed(text)
    stack: list[Any] = []
    at = 0
    while at < len(steps):
        step = steps[at]
        at += 1
        if step.target is not None:
            if step.arity == 0 or not truth(stack.pop()):
                at = step.target
        elif step.root is not None:
            stack.append(names.get(step.root))
        else:
            assert step.work is not None
            start = len(stack) - step.arity
            value = step.work(*stack[start:])
            del stack[start:]
            stack.append(value)
    return stack.pop()


@lru_cache(maxsize=EXPRESSIONS_KNOWN_MAX)
def _parsed(text: str) -> tuple[Step, ...]:
    return tuple(parse(text))
