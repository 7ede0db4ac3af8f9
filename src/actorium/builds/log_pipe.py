"""From the builder's lines to the build's log: stamped as they come, secrets masked, written a few times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from actorium.kernel.clock import Clock
from actorium.kernel.instant import Instant
from actorium.kernel.limits import BUILD_LOG_FLUSH_LINES, BUILD_LOG_FLUSH_SECS, LOG_BYTES_MAX
from actorium.kernel.lines import is_cut, split
from actorium.logs.masking import masker

Line = tuple[Instant, bytes]


class LogPipe:
    """Takes lines at any rate and hands them on in batches, as long as ``run`` is running."""

    def __init__(
        self, append: Callable[[Sequence[Line]], Awaitable[None]], *, clock: Clock, secrets: Sequence[str] = ()
    ) -> None:
        self._append = append
        self._clock = clock
        self._masker = masker(tuple(secret.encode() for secret in secrets))
        self._lines: list[Line] = []
        self._bytes = 0
        self._any = asyncio.Event()
        self._hurry = asyncio.Event()
        self._closed = False

    def write(self, lines: bytes) -> None:
        """Take one or more whole lines; longer ones than a log line may be are cut into several."""
        if self._bytes > LOG_BYTES_MAX:
            return  # the log itself says that it is full
        self._bytes += len(lines) + 1
        now = self._clock.now()
        self._lines += [(now, line) for line in split(lines.removesuffix(b"\n"))]
        self._any.set()
        if len(self._lines) >= BUILD_LOG_FLUSH_LINES:
            self._hurry.set()

    def masked(self, text: str) -> str:
        """A text as the log may show it."""
        return self._masker.text(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    async def run(self) -> None:
        """Hand lines on until the pipe is closed."""
        while not self._closed:
            await self._any.wait()
            try:
                async with asyncio.timeout(BUILD_LOG_FLUSH_SECS):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            await self.flush()
        await self.flush()  # closed before the first turn

    async def flush(self) -> None:
        """Hand on what is there, but a last line that was cut only with what follows it: a secret may go on there."""
        count = len(self._lines)
        while not self._closed and count and is_cut(self._lines[count - 1][1]):
            count -= 1
        lines, self._lines = self._lines[:count], self._lines[count:]
        self._any.clear()
        self._hurry.clear()
        if lines:
            await self._append(self._masker.lines(lines))

    def close(self) -> None:
        """Let ``run`` hand on the rest and end."""
        self._closed = True
        self._any.set()
        self._hurry.set()
