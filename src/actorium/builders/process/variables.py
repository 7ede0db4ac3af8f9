"""Variable expansion as Dockerfiles do it.

``$X``, ``${X}``, ``${X:-default}``, ``${X:+instead}``, ``${X:?needed}``, and the forms that cut and
replace: ``${X#start}``, ``${X%end}``, ``${X/old/new}``, each sign twice for the longest or for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from actorium.builders.process.variable_patterns import PatternTooLarge, replaced, trimmed

_NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME = _NAME_START | frozenset("0123456789")
NESTING_MAX = 20  # ${A:-${B:-...}}: far beyond any real file, far below Python's own stack


class ExpansionError(ValueError):
    """A variable is written in a way that cannot be read."""


def expand(text: str, variables: Mapping[str, str], *, escape: str = "\\") -> str:
    """One word with its variables replaced, its quotes taken off and its escapes undone. Unset variables are empty.

    Raises ``ExpansionError``.
    """
    return _Reader(text, variables, escape=escape, depth=0).word(end="")


def split_words(text: str, *, escape: str = "\\") -> list[str]:
    """Cut at whitespace outside of quotes, quotes and escapes kept for ``expand``. Raises ``ExpansionError``."""
    words: list[str] = []
    word, quote, at = "", "", 0
    while at < len(text):
        char = text[at]
        if char == escape and quote != "'" and at + 1 < len(text):
            word, at = word + text[at : at + 2], at + 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char.isspace():
            words, word, char = ([*words, word] if word else words), "", ""
        word, at = word + char, at + 1
    if quote:
        raise ExpansionError(f"a quote {quote} is opened and never closed")
    return [*words, word] if word else words


class _Reader:
    def __init__(
        self, text: str, variables: Mapping[str, str], *, escape: str, depth: int, is_pattern: bool = False
    ) -> None:
        if depth > NESTING_MAX:
            raise ExpansionError("variables are nested too deeply")
        self.text, self.variables, self.escape, self.depth = text, variables, escape, depth
        self.is_pattern = is_pattern
        """Escapes stay, as the backslashes that patterns know."""
        self.at = 0

    def word(self, *, end: str) -> str:
        """Read up to the character ``end``, or everything when it is empty."""
        out: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if end and char == end:
                return "".join(out)
            out.append(self._piece(char))
        if end:
            raise ExpansionError(f"${{ is opened and never closed with {end}")
        return "".join(out)

    def _piece(self, char: str) -> str:
        self.at += 1
        if char == "'":
            return self._single()
        if char == '"':
            return self._double()
        if char == "$":
            return self._variable()
        if char == self.escape:
            escaped = self._take() if self.at < len(self.text) else char
            return f"\\{escaped}" if self.is_pattern else escaped
        return char

    def _take(self) -> str:
        char = self.text[self.at]
        self.at += 1
        return char

    def _single(self) -> str:
        end = self.text.find("'", self.at)
        if end < 0:
            raise ExpansionError("a quote ' is opened and never closed")
        inside, self.at = self.text[self.at : end], end + 1
        return inside

    def _double(self) -> str:
        out: list[str] = []
        while self.at < len(self.text):
            char = self._take()
            if char == '"':
                return "".join(out)
            if char == "$":
                out.append(self._variable())
            elif char == self.escape and self.text[self.at : self.at + 1] in ('"', "$", self.escape):
                out.append(self._take())
            else:
                out.append(char)
        raise ExpansionError('a quote " is opened and never closed')

    def _variable(self) -> str:
        if self.text[self.at : self.at + 1] != "{":
            name = self._name()
            return self.variables.get(name, "") if name else "$"
        self.at += 1
        name = self._name()
        if not name:
            raise ExpansionError("${ must be followed by the name of a variable")
        value = self.variables.get(name)
        operator = self._operator(name)
        if operator == "}":
            return value or ""
        if operator[0] in "#%/":
            return self._cut(operator, value or "")
        word = self._nested()
        return _apply(operator, name, value, word)

    def _name(self) -> str:
        start = self.at
        if self.text[start : start + 1] in _NAME_START and start < len(self.text):
            while self.at < len(self.text) and self.text[self.at] in _NAME:
                self.at += 1
        return self.text[start : self.at]

    def _operator(self, name: str) -> str:
        for operator in ("}", ":-", ":+", ":?", "-", "+", "?", "##", "%%", "//", "#", "%", "/"):
            if self.text.startswith(operator, self.at):
                self.at += len(operator)
                return operator
        if self.at >= len(self.text):
            raise ExpansionError(f"${{{name} is never closed with }}")
        raise ExpansionError(f"${{{name}{self.text[self.at]}...}} is not supported; use :- :+ :? # % or /")

    def _cut(self, operator: str, value: str) -> str:
        """The value with its start, its end or something in it taken away or replaced."""
        pattern = self._nested(is_pattern=True, end="/" if operator[0] == "/" else "}")
        try:
            if operator[0] == "/":
                return replaced(value, pattern, self._nested(), all_of_them=operator == "//")
            return trimmed(value, pattern, operator)
        except PatternTooLarge as error:
            raise ExpansionError(str(error)) from error

    def _nested(self, *, is_pattern: bool = False, end: str = "}") -> str:
        inner = _Reader(self.text, self.variables, escape=self.escape, depth=self.depth + 1, is_pattern=is_pattern)
        inner.at = self.at
        word = inner.word(end=end)
        self.at = inner.at + 1
        return word


def _apply(operator: str, name: str, value: str | None, word: str) -> str:
    present = bool(value) if operator.startswith(":") else value is not None
    kind = operator[-1]
    if kind == "+":
        return word if present else ""
    if present:
        return value or ""
    if kind == "?":
        raise ExpansionError(f"{name}: {word or 'a value is needed'}")
    return word
