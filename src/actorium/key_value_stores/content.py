"""Record bodies on their way in and out: checked while they arrive, decoded for clients that cannot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from actorium.http.codings import Decoder
from actorium.kernel.errors import RequestTooLarge
from actorium.kernel.limits import BODY_BYTES_MAX, INLINE_BYTES_MAX, RECORD_BYTES_MAX, RECORD_RATIO_MAX

IDENTITY = ("", "identity")


def coding_of(header: str | None) -> str | None:
    """The content coding that a body comes in, as it is stored; None for a plain one."""
    name = (header or "").strip().lower().removeprefix("x-")
    return None if name in IDENTITY else name


async def checked(content: AsyncIterator[bytes], coding: str | None) -> AsyncIterator[bytes]:
    """The same bytes; raises on the way if they are not what their coding says, so that what is stored can be read.

    Raises UnsupportedContentEncoding, BodyBroken, RequestTooLarge (for what inflates beyond any honest ratio, too).
    """
    decoder = Decoder(coding, cap=RECORD_BYTES_MAX)
    arrived = inflated = 0
    async for piece in content:
        arrived += len(piece)
        for decoded_piece in decoder.each(piece):
            inflated += len(decoded_piece)
            if inflated > BODY_BYTES_MAX + RECORD_RATIO_MAX * arrived:
                raise RequestTooLarge(f"The record inflates to more than {RECORD_RATIO_MAX} times what was sent.")
        yield piece
    decoder.finish()


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
        weights[name.strip()] = _weight(parameter)
    return weights.get(coding, weights.get("*", 0.0)) > 0


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
