"""What goes through the two pipes of a box: a letter, a length of four bytes, and so many bytes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from actorium.kernel.limits import SQL_FRAME_BYTES_MAX

HEAD = struct.Struct(">cI")

# To the box
QUESTION = b"Q"  # JSON: what to answer
BLOCK = b"B"  # items: JSON texts joined by newlines
END = b"E"  # of a table's items

# From the box
READY = b"R"  # JSON: the walls that stand
ANSWER = b"A"  # JSON: how many rows follow, and whether that is all
DATA = b"D"  # a piece of the answer as the caller gets it
DONE = b"Z"
REFUSED = b"X"  # JSON: kind and message

_IN, _OUT = 0, 1


class PipeClosed(Exception):
    """The other side is gone."""


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """One frame as bytes."""
    return HEAD.pack(kind, len(payload)) + payload


def send(kind: bytes, payload: bytes = b"") -> None:
    """Send from the box. A payload of any size is cut into frames. Raises PipeClosed."""
    rest = memoryview(payload)
    while True:
        piece, rest = rest[:SQL_FRAME_BYTES_MAX], rest[SQL_FRAME_BYTES_MAX:]
        _write(HEAD.pack(kind, len(piece)))
        _write(piece)
        if not rest:
            return


def receive() -> tuple[bytes, bytes]:
    """The next frame that came to the box. Raises PipeClosed."""
    kind, length = HEAD.unpack(_read(HEAD.size))
    return kind, _read(length)


def blocks() -> Iterator[bytes]:
    """The blocks of one table, up to its end. Raises PipeClosed."""
    while True:
        kind, payload = receive()
        if kind == END:
            return
        if payload:
            yield payload


def _write(data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(_OUT, rest) :]
        except BrokenPipeError:
            raise PipeClosed from None


def _read(length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        piece = os.read(_IN, length - len(found))
        if not piece:
            raise PipeClosed
        found += piece
    return bytes(found)
