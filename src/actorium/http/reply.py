"""Replies on the wire: structs to bytes, streams sent as they come and closed when nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.types import Receive, Send

from actorium.http.codings import compress
from actorium.http.route import Reply
from actorium.kernel.limits import STREAM_WATCH_SECS
from actorium.kernel.structs import encode

HeaderList = list[tuple[bytes, bytes]]

JSON = "application/json; charset=utf-8"
_JSON_BYTES = JSON.encode()
_FIXED_BY_HANDLER = {b"content-encoding", b"content-length", b"content-range"}
_BODILESS = (204, 304)
_CONTROLS = dict.fromkeys([*range(32), 127])


class Wired:
    """A reply ready to be sent: status, headers, and its bytes or its stream."""

    __slots__ = ("content", "headers", "status", "stream")

    def __init__(
        self, status: int, headers: HeaderList, *, content: bytes = b"", stream: AsyncIterator[bytes] | None = None
    ) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.stream = stream


def wire_json(status: int, content: bytes, *, headers: HeaderList, accept: bytes | None) -> Wired:
    """JSON bytes as a reply, compressed where the client reads that and it pays."""
    content, coding = compress(content, accept=accept, media_type=JSON)
    headers += coding
    headers += [(b"content-type", _JSON_BYTES), (b"content-length", b"%d" % len(content))]
    return Wired(status, headers, content=content)


def wire_result(result: Any, *, envelope: bool, headers: HeaderList, accept: bytes | None) -> Wired:
    """What a handler returned, as a reply."""
    if type(result) is Reply:
        return _wire_reply(result, envelope=envelope, headers=headers, accept=accept)
    content = b'{"data":%b}' % encode(result) if envelope else encode(result)
    return wire_json(200, content, headers=headers, accept=accept)


def _wire_reply(reply: Reply, *, envelope: bool, headers: HeaderList, accept: bytes | None) -> Wired:
    own = _encode_headers(reply.headers)
    names = {name for name, _ in own}
    headers += own
    content = reply.content
    if content is None:
        if reply.status not in _BODILESS:
            headers.append((b"content-length", b"0"))
        return Wired(reply.status, headers)
    streamed = isinstance(content, AsyncIterator)
    media_type = reply.media_type or ("application/octet-stream" if streamed or isinstance(content, bytes) else JSON)
    if b"content-type" not in names:
        headers.append((b"content-type", _header_value(media_type)))
    if streamed:
        return Wired(reply.status, headers, stream=content)
    if not isinstance(content, bytes):
        content = b'{"data":%b}' % encode(content) if envelope and reply.envelope else encode(content)
    if not names & _FIXED_BY_HANDLER:
        content, coding = compress(content, accept=accept, media_type=media_type)
        headers += coding
    if b"content-length" not in names:
        headers.append((b"content-length", b"%d" % len(content)))
    return Wired(reply.status, headers, content=content)


def _encode_headers(headers: Mapping[str, str]) -> HeaderList:
    return [(name.lower().encode("latin-1"), _header_value(value)) for name, value in headers.items()]


def _header_value(value: str) -> bytes:
    """A header's bytes. Control characters are dropped: values such as stored content types came from users."""
    return value.translate(_CONTROLS).encode("latin-1", "replace")


async def send_stream(wired: Wired, *, send: Send, receive: Receive, head: bool) -> bool:
    """Send a streamed reply; True if the client took all of it. ``head`` keeps the headers and drops the body."""
    assert wired.stream is not None
    try:
        await send({"type": "http.response.start", "status": wired.status, "headers": wired.headers})
        whole = head or await _send_pieces(wired.stream, send=send, receive=receive)
    finally:
        close = getattr(wired.stream, "aclose", None)
        if close is not None:
            await close()
    if whole:
        await send({"type": "http.response.body", "body": b""})
    return whole


async def _send_pieces(stream: AsyncIterator[bytes], *, send: Send, receive: Receive) -> bool:
    """Send the pieces of a stream; False if the client left first.

    ``send`` never tells that a client has gone, so a stream that lives longer than a moment is watched by one task.
    """
    watch = _Watch(receive)
    try:
        async for piece in stream:
            if piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except asyncio.CancelledError:
        if not watch.caused_cancel():
            raise
        return False
    finally:
        watch.stop()
    return not watch.gone


class _Watch:
    """Cancels the task that made it when the client leaves. Starts late, so that short streams pay one timer."""

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive = receive
        self._streaming = asyncio.current_task()
        self._listening: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(STREAM_WATCH_SECS, self._start)

    def _start(self) -> None:
        self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._streaming is not None:
            self._streaming.cancel()

    def caused_cancel(self) -> bool:
        """Whether the cancellation that just arrived is this watch's own and nobody else asked for one."""
        return self.gone and self._streaming is not None and self._streaming.uncancel() <= 0

    def stop(self) -> None:
        self._timer.cancel()
        if self._listening is not None:
            self._listening.cancel()
