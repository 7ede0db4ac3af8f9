"""The newest pieces of one log, read once and shared by everybody who follows it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence

from actorium.kernel.limits import LOG_WINDOW_BYTES
from actorium.kernel.lines import without_escapes
from actorium.kernel.principal import Principal


class Piece:
    """Some whole lines of a log. Every follower sends the same bytes; escapes are taken out once, when first wanted."""

    __slots__ = ("_plain", "position", "raw")

    def __init__(self, position: int, raw: bytes) -> None:
        self.position = position
        self.raw = raw
        self._plain: bytes | None = None

    def text(self, *, raw: bool) -> bytes:
        if raw:
            return self.raw
        if self._plain is None:
            self._plain = without_escapes(self.raw)
        return self._plain


class Feed:
    """What followers of one log wait for. A follower that is too slow for the window reads the table instead."""

    def __init__(self, subject_id: str) -> None:
        self.subject_id = subject_id
        self.end = 0
        self.readers: Counter[Principal] = Counter()
        """Who follows, and how often."""
        self.refused: frozenset[Principal] = frozenset()
        """Who may not read this any more."""
        self.is_over = False
        """No more lines will come."""
        self.is_broken = False
        """Nobody reads the log any more: the server stops, or an error."""
        self.error: Exception | None = None
        self._pieces: deque[Piece] = deque()
        self._start = 0
        self._changed = asyncio.Event()

    def begin(self, position: int) -> None:
        """Where the window begins."""
        self._start = self.end = position
        self.tell()

    def after(self, position: int) -> list[Piece] | None:
        """The pieces from a position on; None when it lies before the window."""
        if position < self._start:
            return None
        newest: list[Piece] = []
        for piece in reversed(self._pieces):
            if piece.position < position:
                break
            newest.append(piece)
        newest.reverse()
        return newest

    def add(self, texts: Sequence[bytes]) -> None:
        """More of the log has been read, or nothing."""
        if not texts:
            return
        for text in texts:
            self._pieces.append(Piece(self.end, text))
            self.end += len(text)
        while len(self._pieces) > 1 and self.end - self._start > LOG_WINDOW_BYTES:
            self._start += len(self._pieces.popleft().raw)
        self.tell()

    def tell(self) -> None:
        """Wake everybody who waits."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self) -> None:
        """Wait until there is more, or it is over."""
        await self._changed.wait()
