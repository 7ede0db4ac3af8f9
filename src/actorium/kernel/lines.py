"""Lines of a program's output: where they end, and where long ones are cut."""

from __future__ import annotations

import re

from actorium.kernel.limits import LOG_ESCAPE_BYTES_MAX, LOG_LINE_BYTES_MAX

_END = re.compile(rb"\r+\n?|\n")
_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|(?![\[\]PX^_])[ -/]*[0-~])")
"""A whole escape sequence (ECMA-48): control sequences, control strings with their ends, and the short ones."""
_BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)")
"""The same, and what is only the beginning of one. Whatever follows an escape, it matches, so it never looks twice."""


class Lines:
    """Splits a stream into lines of at most LOG_LINE_BYTES_MAX bytes; the same ones however the stream is cut.

    A carriage return ends a line as well, so that each state of a progress bar comes at once and gets its own time.
    The one before a newline belongs to it, and a line that has only carriage returns is none.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._after_return = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take a piece of the stream; the lines that are whole with it."""
        if self._after_return:
            data = data.lstrip(b"\r")
            if not data:
                return []
            self._after_return = False
            data = data.removeprefix(b"\n")
        lines = self._with_returns(data) if b"\r" in data else self._plain(data)
        if len(self._rest) > LOG_LINE_BYTES_MAX:
            *whole, rest = cut(bytes(self._rest))
            self._rest = bytearray(rest)
            lines += whole
        return lines

    def _plain(self, data: bytes) -> list[bytes]:
        *lines, rest = data.split(b"\n")
        if lines and self._rest:
            lines[0] = self.rest() + lines[0]
        self._rest += rest
        if len(data) + len(lines[0] if lines else b"") <= LOG_LINE_BYTES_MAX:
            return lines
        return [piece for line in lines for piece in cut(line)]

    def _with_returns(self, data: bytes) -> list[bytes]:
        lines: list[bytes] = []
        start, returned = 0, False
        for end in _END.finditer(data):
            line = self.rest() + data[start : end.start()]
            start = end.end()
            newline = end[0].endswith(b"\n")
            if line or newline:
                lines += cut(line)
            returned = bool(line) and not newline
        self._after_return = returned and start == len(data)
        self._rest += data[start:]
        return lines

    def rest(self) -> bytes:
        """What came behind the last end of a line; the next piece begins anew."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


def split(text: bytes) -> list[bytes]:
    """The lines of a whole text; at least one."""
    if b"\r" not in text and len(text) <= LOG_LINE_BYTES_MAX:
        return text.split(b"\n")
    lines = Lines()
    found = lines.feed(text)
    rest = lines.rest()
    return [*found, rest] if rest or not found else found


def cut(line: bytes) -> list[bytes]:
    """Pieces of at most LOG_LINE_BYTES_MAX bytes, where possible not inside a character or an escape sequence."""
    if len(line) <= LOG_LINE_BYTES_MAX:
        return [line]
    pieces = []
    start = 0
    while len(line) - start > LOG_LINE_BYTES_MAX:
        end = _whole_until(line, start, start + LOG_LINE_BYTES_MAX)
        pieces.append(line[start:end])
        start = end
    pieces.append(line[start:])
    return pieces


def is_cut(piece: bytes) -> bool:
    """Whether a line is so long that it may go on in the next."""
    return len(piece) >= LOG_LINE_BYTES_MAX - LOG_ESCAPE_BYTES_MAX


def without_escapes(text: bytes) -> bytes:
    """Text without terminal colours and cursor movements. What is begun and not ended goes up to the end of its line.

    Text that consists of whole lines can be taken in pieces.
    """
    return _BEGUN.sub(b"", text) if b"\x1b" in text else text


def printable(text: str) -> str:
    """Text in one line that does nothing to a terminal: what is no character to see is written as its escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _whole_until(line: bytes, start: int, end: int) -> int:
    """Where to cut instead of ``end``."""
    escape = line.rfind(b"\x1b", max(start + 1, end - LOG_ESCAPE_BYTES_MAX), end)
    if escape >= 0 and _ESCAPE.match(line, escape, end) is None:
        return escape
    for back in range(4):
        if line[end - back] & 0xC0 != 0x80:
            return end - back
    return end
