"""Record bodies on their way in and out: checked while they arrive, decoded for clients that cannot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import overload

from actorium.http.codings import Decoder
from actorium.kernel.errors import RequestTooLarge
from actorium.kernel.limits import BODY_BYTES_MAX, INLINE_BYTES_MAX, RECORD_BYTES_MAX, RECORD_RATIO_MAX

DEFAULT_CONTENT_TYPE = "application/octet-stream"
IDENTITY = ("", "identity")
HTML_TYPES = ("text/html", "application/xhtml+xml")

Body = bytes | AsyncIterator[bytes]
"""A body that is all there, or one in pieces."""


class Inspection:
    """Looks at the bytes of a body as they pass, so that what is stored can be read: they are what their coding says.

    Raises UnsupportedContentEncoding, BodyBroken, RequestTooLarge (for what inflates beyond any honest ratio, too).
    """

    def __init__(self, coding: str | None) -> None:
        self._decoder = Decoder(coding, cap=RECORD_BYTES_MAX)
        self._arrived = self._inflated = 0

    def look(self, piece: bytes) -> None:
        self._arrived += len(piece)
        for decoded_piece in self._decoder.each(piece):
            self._inflated += len(decoded_piece)
            if self._inflated > BODY_BYTES_MAX + RECORD_RATIO_MAX * self._arrived:
                raise RequestTooLarge(f"The record inflates to more than {RECORD_RATIO_MAX} times what was sent.")

    def finish(self) -> None:
        self._decoder.finish()


def coding_of(header: str | None) -> str | None:
    """The content coding that a body comes in, as it is stored; None for a plain one."""
    name = (header or "").strip().lower().removeprefix("x-")
    return None if name in IDENTITY else name


def is_html(content_type: str) -> bool:
    """Whether a browser would show the content as a page."""
    return content_type.partition(";")[0].strip().lower() in HTML_TYPES


def inspected(content: Body, coding: str | None) -> Body:
    """The same body, looked at: all of it now if it is there, else while it passes. Raises as Inspection does."""
    if isinstance(content, bytes) and coding is None:
        return content
    inspection = Inspection(coding)
    if not isinstance(content, bytes):
        return _inspected(content, inspection)
    inspection.look(content)
    inspection.finish()
    return content


async def _inspected(content: AsyncIterator[bytes], inspection: Inspection) -> AsyncIterator[bytes]:
    async for piece in content:
        inspection.look(piece)
        yield piece
    inspection.finish()


async def decoded(content: AsyncIterator[bytes], coding: str) -> AsyncGenerator[bytes, None]:
    """What bytes in a coding decode to, in bounded pieces."""
    decoder = Decoder(coding, cap=RECORD_BYTES_MAX)
    async for piece in content:
        for decoded_piece in decoder.each(piece):
            yield decoded_piece
    decoder.finish()


async def whole(content: bytes) -> AsyncGenerator[bytes, None]:
    """Bytes as a stream."""
    yield content


@overload
def streamed(content: bytes | AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]: ...
@overload
def streamed(content: Body) -> AsyncIterator[bytes]: ...
def streamed(content: Body) -> AsyncIterator[bytes]:
    """A body as a stream."""
    return whole(content) if isinstance(content, bytes) else content


async def gathered(content: Body, *, cap: int) -> bytes:
    """All of a body. Raises RequestTooLarge for more than ``cap`` bytes."""
    pieces: list[bytes] = []
    size = 0
    async for piece in streamed(content):
        size += len(piece)
        if size > cap:
            raise RequestTooLarge(f"The record is larger than the {cap} bytes that can be checked against a schema.")
        pieces.append(piece)
    return b"".join(pieces)


async def opening(content: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """What fits inline of a body, and whether that is all of it."""
    pieces: list[bytes] = []
    size = 0
    async for piece in content:
        pieces.append(piece)
        size += len(piece)
        if size > INLINE_BYTES_MAX:
            return b"".join(pieces), False
    return b"".join(pieces), True


async def resumed(opened: bytes, content: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """A body whose opening was already read."""
    yield opened
    async for piece in content:
        yield piece


def accepts(header: str | None, coding: str) -> bool:
    """Whether an Accept-Encoding header allows a coding. Without the header only plain bytes are safe."""
    weights: dict[str, float] = {}
    for part in (header or "").lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip().removeprefix("x-")] = _weight(parameter)
    return weights.get(coding, weights.get("*", 0.0)) > 0


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
