"""From the text of an expression to a flat program: a tokenizer and a parser by binding powers.

The program is a list of steps for a machine with a stack. Its jumps lead forward only, so it ends after at most as many
steps as it has, and nothing recurses when it runs. Only parentheses and their like recurse here, to a bounded depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from actorium.kernel.limits import EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX
from actorium.runs.memory.errors import ExpressionError
from actorium.runs.memory.operations import BINARY, FUNCTIONS, UNARY, at, attribute, truth

ROOTS = ("input", "runOptions")
CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "undefined": None}

_TOKEN = re.compile(
    r"""(?:
      (?P<coded>0x[0-9a-fA-F]{1,13}|0o[0-7]{1,17}|0b[01]{1,52})
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)
    | (?P<text>"[^"\\]*"|'[^'\\]*')
    | (?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
    | (?P<sign>\{\{|\}\}|<=|>=|==|!=|[-+*/%^<>?:()\[\],.])
    )""",
    re.VERBOSE | re.ASCII,
)
_SKIPPED = re.compile(r"(?:\s++|#[^\n]*+)*+", re.ASCII)
"""White space, and remarks up to the end of their line."""
_POWERS = {
    "?": 1, "or": 2, "xor": 3, "and": 4, "==": 5, "!=": 5, "<": 6, ">": 6, "<=": 6, ">=": 6,
    "+": 7, "-": 7, "*": 8, "/": 8, "%": 8, "mod": 8, "^": 10, ".": 11, "[": 11,
}  # fmt: skip
_UNARY_POWER = 9  # below ^, so that -2^2 is -4
_END = "end"


class Step(NamedTuple):
    """One step of a program: ``arity`` values are taken from the stack, and ``work`` of them is put on it.

    A step with a ``target`` takes a value and goes on there if it is false; one without ``arity`` goes there anyway.
    """

    arity: int
    work: Callable[..., Any] | None = None
    target: int | None = None
    root: str | None = None
    """Put what this name stands for on the stack."""


class Token(NamedTuple):
    kind: str
    value: Any


def parse(text: str) -> list[Step]:
    """The program of an expression. Raises ExpressionError."""
    if len(text) > EXPRESSION_CHARS_MAX:
        raise ExpressionError(f"it is longer than {EXPRESSION_CHARS_MAX} characters")
    parser = _Parser(_tokens(text))
    parser.expression(0)
    parser.expect(_END)
    return parser.steps


def _tokens(text: str) -> list[Token]:
    tokens = []
    position = _past_skipped(text, 0)
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"there is something unknown at character {position + 1}: {text[position:][:10]!r}")
        position = _past_skipped(text, match.end())
        kind = str(match.lastgroup)
        found = match[kind]
        if kind == "number":
            tokens.append(Token(kind, float(found)))
        elif kind == "coded":
            tokens.append(Token("number", float(int(found, 0))))
        elif kind == "text":
            tokens.append(Token(kind, found[1:-1]))
        else:
            tokens.append(Token(found if kind == "sign" or found in _WORDS else kind, found))
    tokens.append(Token(_END, "the end"))
    return tokens


def _past_skipped(text: str, position: int) -> int:
    match = _SKIPPED.match(text, position)
    assert match is not None  # of nothing, too
    return match.end()


_WORDS = frozenset({"and", "or", "xor", "not", "mod"})


class _Parser:
    """Reads tokens and writes steps."""

    def __init__(self, tokens: list[Token]) -> None:
        self.steps: list[Step] = []
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def expect(self, kind: str) -> Token:
        token = self._tokens[self._at]
        if token.kind != kind:
            raise ExpressionError(f"{kind!r} is expected before {str(token.value)[:20]!r}")
        self._at += 1
        return token

    def expression(self, power: int) -> None:
        """Everything that binds more than ``power``."""
        self._depth += 1
        if self._depth > EXPRESSION_DEPTH_MAX:
            raise ExpressionError(f"it is nested deeper than {EXPRESSION_DEPTH_MAX} levels")
        self._operand()
        while _POWERS.get(self._next.kind, 0) > power:
            self._infix(self._take())
        self._depth -= 1

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind != _END
        return token

    def _operand(self) -> None:
        token = self._take()
        match token.kind:
            case "number" | "text":
                self._constant(token.value)
            case "name":
                self._name(token.value)
            case "(":
                self.expression(0)
                self.expect(")")
            case "{{":
                self._variable()
            case "-" | "+" | "not":
                self.expression(_UNARY_POWER)
                self.steps.append(Step(1, UNARY[token.kind]))
            case "mod" | "and" | "or" | "xor" if self._next.kind == "(":
                self._call(token.kind)
            case _:
                raise ExpressionError(f"a value is expected before {str(token.value)[:20]!r}")

    def _name(self, name: str) -> None:
        if self._next.kind == "(":
            self._call(name)
        elif name in CONSTANTS:
            self._constant(CONSTANTS[name])
        elif name in ROOTS:
            self.steps.append(Step(0, root=name))
        else:
            raise ExpressionError(f"{name[:30]!r} is unknown; there are {' and '.join(ROOTS)}")

    def _variable(self) -> None:
        """``{{input.some.path}}``: a path and nothing else."""
        self._name(self.expect("name").value)
        while self._next.kind == ".":
            self._infix(self._take())
        self.expect("}}")

    def _constant(self, value: Any) -> None:
        self.steps.append(Step(0, lambda: value))

    def _call(self, name: str) -> None:
        if name not in FUNCTIONS:
            raise ExpressionError(f"there is no function {name[:30]!r}; there are {', '.join(FUNCTIONS)}")
        least, most, work = FUNCTIONS[name]
        self.expect("(")
        count = 0
        while self._next.kind != ")":
            if count:
                self.expect(",")
            self.expression(0)
            count += 1
        self.expect(")")
        if not least <= count <= most:
            raise ExpressionError(f"{name} takes {least} to {most} arguments, not {count}")
        self.steps.append(Step(count, work))

    def _infix(self, token: Token) -> None:
        match token.kind:
            case ".":
                name = self._take()
                if name.kind not in ("name", *_WORDS):
                    raise ExpressionError("a name is expected behind the point")
                self.steps.append(Step(1, lambda value: attribute(value, name.value)))
            case "[":
                self.expression(0)
                self.expect("]")
                self.steps.append(Step(2, at))
            case "?":
                self._either()
            case "and" | "or":
                self._short_circuit(token.kind)
            case "mod":
                self._binary("%", _POWERS["%"])
            case "^":
                self._binary("^", _UNARY_POWER - 1)  # from the right, and 2^-3 is one too
            case _:
                self._binary(token.kind, _POWERS[token.kind])

    def _binary(self, name: str, power: int) -> None:
        self.expression(power)
        self.steps.append(Step(2, BINARY[name]))

    def _either(self) -> None:
        """``condition ? one : other``, from the right."""
        if_false = self._jump(1)
        self.expression(0)
        self.expect(":")
        past_other = self._jump(0)
        self._land(if_false)
        self.expression(0)
        self._land(past_other)

    def _short_circuit(self, kind: str) -> None:
        """``and``, ``or``: the right side counts, and may fail, only where the left one leaves it open."""
        if kind == "or":
            self.steps.append(Step(1, UNARY["not"]))
        decided = self._jump(1)
        self.expression(_POWERS[kind])
        self.steps.append(Step(1, truth))
        past = self._jump(0)
        self._land(decided)
        self._constant(kind == "or")
        self._land(past)

    def _jump(self, arity: int) -> int:
        self.steps.append(Step(arity, target=0))
        return len(self.steps) - 1

    def _land(self, jump: int) -> None:
        self.steps[jump] = self.steps[jump]._replace(target=len(self.steps))
