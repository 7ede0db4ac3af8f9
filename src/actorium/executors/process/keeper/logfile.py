"""A container's log: one line of text for each line it wrote, after the milliseconds of its arrival and a space."""

from __future__ import annotations

import os

from actorium.executors.process.keeper import clock
from actorium.kernel.limits import LOG_STAMP_BYTES
from actorium.kernel.lines import Lines

NOTE = b"actorium: "
_AROUND_BYTES = LOG_STAMP_BYTES + 1  # what a line takes in the log of the API beside its text


class LogFile:
    """Splits what arrives into lines and appends them. The writer never changes what it wrote: offsets are cursors."""

    def __init__(self, path: str, bytes_max: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._left = bytes_max
        self._bytes_max = bytes_max
        self._lines = Lines()

    def feed(self, data: bytes) -> None:
        """Take what the program wrote. After the cap everything is dropped."""
        if self._left < 0:
            return
        self._write(self._lines.feed(data))

    def note(self, text: str) -> None:
        """A line of the executor's own, beside the cap."""
        self._append([NOTE + text.replace("\n", " ").encode("utf-8", "replace")])

    def flush(self) -> None:
        """The last line may have no newline."""
        if rest := self._lines.rest():
            self._write([rest])

    def close(self) -> None:
        self.flush()
        os.close(self._fd)

    def _write(self, lines: list[bytes]) -> None:
        if not lines or self._left < 0:
            return
        size = sum(map(len, lines)) + len(lines) * _AROUND_BYTES
        if size <= self._left:
            self._left -= size
            self._append(lines)
            return
        kept = []
        for line in lines:
            if len(line) + _AROUND_BYTES > self._left:
                break
            self._left -= len(line) + _AROUND_BYTES
            kept.append(line)
        self._append(kept)
        self._left = -1
        self._lines = Lines()
        self.note(f"The log is longer than {self._bytes_max} bytes; the rest is not kept.")

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        stamp = b"%d " % clock.now_ms()
        data = memoryview(stamp + (b"\n" + stamp).join(lines) + b"\n")
        while data:
            data = data[os.write(self._fd, data) :]


def parse(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Whole lines in a piece of a log as (milliseconds, line), and how many bytes they took."""
    end = data.rfind(b"\n") + 1
    lines = []
    for raw in data[: end - 1].split(b"\n") if end else ():
        stamp, _, line = raw.partition(b" ")
        lines.append((int(stamp), line))
    return lines, end
