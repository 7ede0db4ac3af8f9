"""What operators and functions of an expression do: pure, on numbers, texts, truth values, lists and objects.

Every number is a double, as in the language that expressions come from. What does not fit raises ExpressionError.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from actorium.kernel.limits import EXPRESSION_CHARS_MAX, EXPRESSION_LIST_MAX, EXPRESSION_TEXT_CHARS_MAX
from actorium.runs.memory.errors import ExpressionError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_ROUND_DIGITS_MAX = 15  # of a double


def number(value: Any) -> float:
    """A value as a number: truth is 1, a text that reads as a number is that number."""
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            raise ExpressionError("a number is too large") from None
    if isinstance(value, str) and len(value) <= EXPRESSION_TEXT_CHARS_MAX and _NUMBER.fullmatch(value.strip()):
        return float(value)
    raise ExpressionError(f"{_kind(value)} is used where a number is needed")


def truth(value: Any) -> bool:
    """Whether a value counts as true: not null, 0, false or an empty text."""
    return _is_container(value) or not (value is None or value in (0, ""))


def attribute(value: Any, name: str) -> Any:
    """What an object has under a name, or the length of a list or text; null has null below it, as what is absent."""
    if isinstance(value, dict):
        return value.get(name)
    if name == "length" and isinstance(value, list | str):
        return float(len(value))
    return None


def at(value: Any, index: Any) -> Any:
    """``object["name"]`` or ``list[1]``: the first one of a list is 1, as in the language of expressions."""
    if isinstance(index, str):
        return attribute(value, index)
    place = number(index)
    if not isinstance(value, list | str) or not math.isfinite(place) or place != int(place):
        return None
    return value[int(place) - 1] if 1 <= place <= len(value) else None


def get(value: Any, path: Any, default: Any = None) -> Any:
    """What lies at a path such as ``startUrls.0.url`` or ``a.b.length``, lists beginning with 0; else the default.

    Only points lead further: ``startUrls[0]`` is a name as any other, of which there is none.
    """
    if not isinstance(path, str):
        raise ExpressionError("the second argument of get must be a text, the path")
    if len(path) > EXPRESSION_CHARS_MAX:  # one out of the input may be as large as that
        raise ExpressionError(f"the path that get looks at is longer than {EXPRESSION_CHARS_MAX} characters")
    for part in path.split("."):
        if isinstance(value, list) and part.isdecimal() and len(part) < 10:
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = attribute(value, part)
    return default if value is None else value


def equal(left: Any, right: Any) -> bool:
    """Numbers by value, also of texts that read as numbers, and truth. Null equals null alone."""
    if left is None or right is None:
        return left is right
    if _is_container(left) or _is_container(right):
        raise ExpressionError("lists and objects cannot be compared")
    try:
        return number(left) == number(right)
    except ExpressionError:
        raise ExpressionError(
            "a text is used where a number is needed; compareText(a, b) == 0 compares texts"
        ) from None


def _is_container(value: Any) -> bool:
    return isinstance(value, list | dict)


def _kind(value: Any) -> str:
    names = {type(None): "an absent value", list: "a list", dict: "an object", str: "a text"}
    return names.get(type(value), "a value")


def _on_numbers(work: Callable[[float, float], float]) -> Callable[[Any, Any], float]:
    def apply(left: Any, right: Any) -> float:
        return _real(lambda: work(number(left), number(right)))

    return apply


def _compared(work: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: work(number(left), number(right))


def _real(work: Callable[[], Any]) -> float:
    try:
        value = work()
    except (ArithmeticError, ValueError) as error:
        raise ExpressionError(f"a step has no result: {error}") from None
    if isinstance(value, complex):
        raise ExpressionError("a step has no real result")
    return float(value)


def _modulo(left: float, right: float) -> float:
    return left if right == 0 else left % right


def _rounded(value: Any, digits: Any = 0.0) -> float:
    """Halves away from zero, to so many digits after the point."""
    places = number(digits)
    if places not in range(_ROUND_DIGITS_MAX + 1):
        raise ExpressionError(f"round takes 0 to {_ROUND_DIGITS_MAX} digits")
    scaled = number(value) * 10**places
    return _real(lambda: math.copysign(math.floor(abs(scaled) + 0.5), scaled) / 10**places)


def _log(value: Any, root: Any = math.e) -> float:
    return _real(lambda: math.log(number(value)) if root == math.e else math.log(number(value), number(root)))


def _of_one(work: Callable[[float], float]) -> Callable[[Any], float]:
    return lambda value: _real(lambda: work(number(value)))


def _chosen(choose: Callable[[Sequence[float]], float]) -> Callable[..., float]:
    """``min`` and ``max``: of several numbers, or of a list of numbers."""

    def apply(*values: Any) -> float:
        found = values[0] if len(values) == 1 and isinstance(values[0], list) else values
        if not 1 <= len(found) <= EXPRESSION_LIST_MAX:
            raise ExpressionError(f"min and max take 1 to {EXPRESSION_LIST_MAX} numbers")
        return choose([number(value) for value in found])

    return apply


def _compared_texts(left: Any, right: Any) -> float:
    if isinstance(left, str) and isinstance(right, str):
        return float((left > right) - (left < right))
    raise ExpressionError("compareText takes two texts")


def _length(value: Any) -> float:
    if isinstance(value, list | str | dict):
        return float(len(value))
    raise ExpressionError(f"{_kind(value)} has no length")


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": _on_numbers(operator.add),
    "-": _on_numbers(operator.sub),
    "*": _on_numbers(operator.mul),
    "/": _on_numbers(operator.truediv),
    "%": _on_numbers(_modulo),
    "^": _on_numbers(operator.pow),
    "<": _compared(operator.lt),
    "<=": _compared(operator.le),
    ">": _compared(operator.gt),
    ">=": _compared(operator.ge),
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "xor": lambda left, right: truth(left) != truth(right),
}

UNARY: dict[str, Callable[[Any], Any]] = {
    "-": lambda value: -number(value),
    "+": number,
    "not": lambda value: not truth(value),
}

FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "get": (2, 3, get),
    "min": (1, 100, _chosen(min)),
    "max": (1, 100, _chosen(max)),
    "round": (1, 2, _rounded),
    "floor": (1, 1, _of_one(math.floor)),
    "ceil": (1, 1, _of_one(math.ceil)),
    "fix": (1, 1, _of_one(math.trunc)),
    "abs": (1, 1, _of_one(abs)),
    "sign": (1, 1, _of_one(lambda value: (value > 0) - (value < 0))),
    "sqrt": (1, 1, _of_one(math.sqrt)),
    "cbrt": (1, 1, _of_one(lambda value: math.copysign(abs(value) ** (1 / 3), value))),
    "exp": (1, 1, _of_one(math.exp)),
    "log": (1, 2, _log),
    "log2": (1, 1, _of_one(math.log2)),
    "log10": (1, 1, _of_one(math.log10)),
    "pow": (2, 2, BINARY["^"]),
    "mod": (2, 2, BINARY["%"]),
    "add": (2, 2, BINARY["+"]),
    "subtract": (2, 2, BINARY["-"]),
    "multiply": (2, 2, BINARY["*"]),
    "divide": (2, 2, BINARY["/"]),
    "unaryMinus": (1, 1, UNARY["-"]),
    "equal": (2, 2, equal),
    "unequal": (2, 2, BINARY["!="]),
    "larger": (2, 2, BINARY[">"]),
    "smaller": (2, 2, BINARY["<"]),
    "compareText": (2, 2, _compared_texts),
    "and": (2, 2, lambda left, right: truth(left) and truth(right)),
    "or": (2, 2, lambda left, right: truth(left) or truth(right)),
    "xor": (2, 2, BINARY["xor"]),
    "number": (1, 1, number),
    "isInteger": (1, 1, lambda value: number(value).is_integer()),
    "isNaN": (1, 1, lambda value: math.isnan(number(value))),
    "isNumeric": (1, 1, lambda value: isinstance(value, bool | int | float)),
    "isZero": (1, 1, lambda value: number(value) == 0),
    "length": (1, 1, _length),
}
"""The least and the largest number of arguments, and the work."""
