"""A container's log: one line of text for each line it wrote, after the milliseconds of its arrival and a space."""

from __future__ import annotations

import os

from actorium.executors.process.keeper import clock
from actorium.kernel.limits import LOG_LINE_BYTES_MAX

NOTE = b"actorium: "


class LogFile:
    """Splits what arrives into lines and appends them. The writer never changes what it wrote: offsets are cursors."""

    def __init__(self, path: str, bytes_max: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._left = bytes_max
        self._bytes_max = bytes_max
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what the program wrote. After the cap everything is dropped."""
        if self._left < 0:
            return
        pieces = (self._rest + data).split(b"\n")
        self._rest = pieces.pop()
        lines: list[bytes] = []
        for piece in pieces:
            lines += cut(piece) if len(piece) > LOG_LINE_BYTES_MAX else (piece,)
        if len(self._rest) > LOG_LINE_BYTES_MAX:
            *whole, self._rest = cut(self._rest)
            lines += whole
        self._write(lines)

    def note(self, text: str) -> None:
        """A line of the executor's own, beside the cap."""
        self._append([NOTE + text.replace("\n", " ").encode("utf-8", "replace")])

    def flush(self) -> None:
        """The last line may have no newline."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._write([rest])

    def close(self) -> None:
        self.flush()
        os.close(self._fd)

    def _write(self, lines: list[bytes]) -> None:
        if not lines or self._left < 0:
            return
        size = sum(map(len, lines)) + len(lines)
        if size <= self._left:
            self._left -= size
            self._append(lines)
            return
        kept = []
        for line in lines:
            if len(line) + 1 > self._left:
                break
            self._left -= len(line) + 1
            kept.append(line)
        self._append(kept)
        self._left = -1
        self._rest = b""
        self.note(f"The log is longer than {self._bytes_max} bytes; the rest is not kept.")

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        stamp = b"%d " % clock.now_ms()
        data = memoryview(stamp + (b"\n" + stamp).join(lines) + b"\n")
        while data:
            data = data[os.write(self._fd, data) :]


def cut(line: bytes) -> list[bytes]:
    """Pieces of at most LOG_LINE_BYTES_MAX bytes, where possible not inside a character of UTF-8."""
    pieces = []
    start = 0
    while len(line) - start > LOG_LINE_BYTES_MAX:
        end = start + LOG_LINE_BYTES_MAX
        for back in range(4):
            if line[end - back] & 0xC0 != 0x80:
                end -= back
                break
        pieces.append(line[start:end])
        start = end
    pieces.append(line[start:])
    return pieces


def parse(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Whole lines in a piece of a log as (milliseconds, line), and how many bytes they took."""
    end = data.rfind(b"\n") + 1
    lines = []
    for raw in data[: end - 1].split(b"\n") if end else ():
        stamp, _, line = raw.partition(b" ")
        lines.append((int(stamp), line))
    return lines, end
