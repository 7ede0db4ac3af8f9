"""Content codings of requests and replies, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import brotli  # type: ignore[import-untyped]
from isal import isal_zlib

from actorium.http.errors import BodyBroken
from actorium.kernel.errors import RequestTooLarge, UnsupportedContentEncoding
from actorium.kernel.limits import COMPRESS_BYTES_MAX, COMPRESS_BYTES_MIN

_PIECE_BYTES = 262_144
_IDENTITY = ("", "identity")
_VARY = (b"vary", b"Accept-Encoding")
_GZIPPED = ((b"content-encoding", b"gzip"), _VARY)
_BROTLIED = ((b"content-encoding", b"br"), _VARY)
_COMPRESSIBLE = ("text/", "application/json", "application/xml", "application/javascript", "image/svg")


class Decoder:
    """Undoes one content coding and stops as soon as more than ``cap`` bytes would come out, so bombs stay small.

    Raises UnsupportedContentEncoding, BodyBroken, RequestTooLarge.
    """

    def __init__(self, coding: str | None, *, cap: int) -> None:
        name = (coding or "").strip().lower().removeprefix("x-")
        if name not in (*_IDENTITY, "br", "gzip", "deflate"):
            raise UnsupportedContentEncoding
        self.plain = name in _IDENTITY
        self._name = name
        self._cap = cap
        self._size = 0
        self._inflate: isal_zlib.Decompress | None = None
        self._brotli = brotli.Decompressor() if name == "br" else None
        self._head = b""
        self._started = False

    def feed(self, data: bytes) -> bytes:
        """What these bytes decode to."""
        return b"".join(self.each(data))

    def each(self, data: bytes) -> Iterator[bytes]:
        """The same in pieces of bounded size, each decoded when it is asked for."""
        self._started = self._started or bool(data)
        if self.plain:
            yield self._count(data)
            return
        try:
            yield from self._each_brotli(data) if self._brotli else self._each_zlib(data)
        except (brotli.error, isal_zlib.IsalError) as error:  # type: ignore[misc]  # stubs call the class an instance
            raise self._broken() from error

    def finish(self) -> None:
        """Tell that the body is complete. Raises BodyBroken if its coding is not; an empty body is empty in any."""
        if self.plain or not self._started:
            return
        whole = self._brotli.is_finished() if self._brotli else self._inflate is not None and self._inflate.eof
        if not whole:
            raise self._broken()

    def _each_brotli(self, data: bytes) -> Iterator[bytes]:
        assert self._brotli is not None
        piece = self._brotli.process(data, output_buffer_limit=_PIECE_BYTES)
        # it may have output waiting although it says that it can accept more input
        while piece or not self._brotli.can_accept_more_data():
            yield self._count(piece)
            piece = b"" if self._brotli.is_finished() else self._brotli.process(b"", output_buffer_limit=_PIECE_BYTES)

    def _each_zlib(self, data: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            self._head += data
            if len(self._head) < 2:
                return
            self._inflate = isal_zlib.decompressobj(self._window_bits())
            data, self._head = self._head, b""
        while data:
            if self._inflate.eof:
                if self._name != "gzip":
                    raise self._broken()
                self._inflate = isal_zlib.decompressobj(31)  # gzip members may follow each other
            yield self._count(self._inflate.decompress(data, _PIECE_BYTES))
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail

    def _window_bits(self) -> int:
        if self._name == "gzip":
            return 31
        first, second = self._head[0], self._head[1]
        return 15 if first & 15 == 8 and (first * 256 + second) % 31 == 0 else -15  # senders mean either by deflate

    def _count(self, piece: bytes) -> bytes:
        self._size += len(piece)
        if self._size > self._cap:
            raise RequestTooLarge(f"The request body is larger than the limit of {self._cap} bytes.")
        return piece

    def _broken(self) -> BodyBroken:
        return BodyBroken(f"The request body is not valid {self._name} data, as its Content-Encoding header says.")


def compress(content: bytes, *, accept: bytes | None, media_type: str) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
    """The content as the client may have it, and the headers that say so; unchanged where that would gain nothing."""
    if accept is None or not COMPRESS_BYTES_MIN <= len(content) <= COMPRESS_BYTES_MAX:
        return content, ()
    if not media_type.startswith(_COMPRESSIBLE):
        return content, ()
    accepted = _accepted(accept)
    if b"gzip" in accepted:
        return isal_zlib.compress(content, 1, wbits=31), _GZIPPED
    if b"br" in accepted:
        return brotli.compress(content, quality=1), _BROTLIED
    return content, ()


def _accepted(header: bytes) -> set[bytes]:
    accepted = set()
    for part in header.lower().split(b","):
        name, _, weight = part.partition(b";")
        if weight.replace(b" ", b"").rstrip(b"0").rstrip(b".") not in (b"q=", b"q=0"):
            accepted.add(name.strip())
    return accepted
