"""The plain bytes of a compressed archive, forward only and within bounds, whatever it says of itself."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from typing import IO

from actorium.kernel.limits import (
    ARCHIVE_BYTES_MAX,
    ARCHIVE_DICTIONARY_BYTES_MAX,
    ARCHIVE_ENTRIES_MAX,
    ARCHIVE_READ_BYTES_MAX,
)

_ENTRY_BYTES = 2048  # headers and padding around a member
_BUFFER_BYTES = 65_536


class TooMuch(Exception):
    """More than an archive that is added may hold, or a header larger than any real one."""


class _Xz(io.RawIOBase):
    """xz in memory that is bounded whatever dictionary the archive asks for; the library's own reader has no bound."""

    def __init__(self, content: bytes) -> None:
        self._left = content
        self._decompressor = lzma.LZMADecompressor(memlimit=ARCHIVE_DICTIONARY_BYTES_MAX)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # what io really passes
        while True:
            if self._decompressor.eof:
                self._left = (self._decompressor.unused_data + self._left).lstrip(b"\0")
                if not self._left:
                    return 0
                self._decompressor = lzma.LZMADecompressor(memlimit=ARCHIVE_DICTIONARY_BYTES_MAX)
            piece = b""
            if self._decompressor.needs_input:
                piece, self._left = self._left[:_BUFFER_BYTES], self._left[_BUFFER_BYTES:]
                if not piece:
                    raise EOFError("it is cut off")
            found = self._decompressor.decompress(piece, len(buffer))
            if found:
                buffer[: len(found)] = found
                return len(found)


_READERS: dict[bytes, Callable[[bytes], IO[bytes]]] = {
    b"\x1f\x8b": lambda content: gzip.GzipFile(fileobj=io.BytesIO(content)),  # type: ignore[dict-item,return-value]
    b"BZh": lambda content: bz2.BZ2File(io.BytesIO(content)),
    b"\xfd7zXZ\x00": lambda content: io.BufferedReader(_Xz(content), _BUFFER_BYTES),
}


class Inflated:
    """What ``tarfile`` reads instead of the archive. Raises ``TooMuch``."""

    def __init__(self, content: bytes) -> None:
        made = next((make for magic, make in _READERS.items() if content.startswith(magic)), io.BytesIO)
        self._file = made(content)
        self._at = 0
        self._end = ARCHIVE_BYTES_MAX + ARCHIVE_ENTRIES_MAX * _ENTRY_BYTES

    def tell(self) -> int:
        """How much was read."""
        return self._at

    def seek(self, target: int) -> None:
        """Read on to a place. One before it is an error: no archive needs it, and one that goes in a circle has it."""
        if target < self._at:
            raise OSError("its members go in a circle")
        while self._at < target and self.read(min(target - self._at, ARCHIVE_READ_BYTES_MAX)):
            pass

    def read(self, size: int) -> bytes:
        """At the most so much. A header that asks for more than fits into memory is refused before it is read."""
        if not 0 <= size <= ARCHIVE_READ_BYTES_MAX:
            raise TooMuch
        found = self._file.read(size)
        self._at += len(found)
        if self._at > self._end:
            raise TooMuch
        return found
