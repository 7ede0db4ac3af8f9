"""A complete reply in one write and a complete body in one read: what most are, without the steps of streams.

uvicorn's response cycle checks and writes a reply message by message. For a reply whose bytes are all there this is a
third of the request's CPU (``benchmarks/http_kernel.py``), so the edge's server offers the application a shorter way in
``scope["actorium.send_whole"]``; and another one to a body that has arrived, without the guards that waiting needs, in
``scope["actorium.take_body"]``. On any other ASGI server the keys are absent and ordinary messages are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

SCOPE_KEY = "actorium.send_whole"
CLOSE = (b"connection", b"close")

BODY_KEY = "actorium.take_body"

SendWhole = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], bool]
TakeBody = Callable[[], bytes | None]


class WholeCycle(RequestResponseCycle):
    """A response cycle that can also do everything at once. Made by changing the class of uvicorn's own."""

    _defaults: tuple[object, bytes] = (None, b"")
    """uvicorn's default headers (a new list each second) and the same as bytes."""

    def send_whole(self, status: int, headers: Sequence[tuple[bytes, bytes]], content: bytes) -> bool:
        """Send a reply; False if it has to go the ordinary way.

        ``headers`` are lower case, checked by whoever made them, and hold a content-length where the status has a body.
        """
        if self.response_started or self.disconnected or self.flow.write_paused:
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        if CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers = [*headers, CLOSE]
        parts = [STATUS_LINE[status], self._default_head()]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", b"" if self.scope["method"] == "HEAD" else content)
        self.transport.write(b"".join(parts))
        self.message_event.set()
        if not self.keep_alive:
            self._leave()
        self.on_response()
        return True

    def take_body(self) -> bytes | None:
        """The body, if all of it has arrived; None: receive it."""
        if self.more_body or self.disconnected or self.response_complete:
            return None
        body = bytes(self.body)
        self.body.clear()
        self.waiting_for_100_continue = False
        self.flow.resume_reading()
        return body

    def _leave(self) -> None:
        """Close; but while the client still sends, only our side: a cut would take the reply from it.

        The server's protocol closes the rest at the end of the body or when its time is over.
        """
        if self.more_body and self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _default_head(self) -> bytes:
        known, head = WholeCycle._defaults
        if known is not self.default_headers:
            head = b"".join(b"%b: %b\r\n" % header for header in self.default_headers)
            WholeCycle._defaults = (self.default_headers, head)
        return head


def adopt(cycle: RequestResponseCycle) -> None:
    """Let a cycle that uvicorn has made send whole replies."""
    cycle.__class__ = WholeCycle
    assert isinstance(cycle, WholeCycle)
    cycle.scope[SCOPE_KEY] = cycle.send_whole  # type: ignore[literal-required]
    cycle.scope[BODY_KEY] = cycle.take_body  # type: ignore[literal-required]
