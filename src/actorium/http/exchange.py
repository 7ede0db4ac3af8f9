"""One request while it is answered: what is known about it, whether that goes well or not."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from actorium.http.reply import HeaderList
from actorium.http.whole import BODY_KEY, TakeBody

_EXPOSED = (
    b"Location, Content-Disposition, ETag, Content-Range, Accept-Ranges, X-Request-Id, X-RateLimit-Limit, "
    b"X-Apify-Pagination-Offset, "
    b"X-Apify-Pagination-Limit, X-Apify-Pagination-Count, X-Apify-Pagination-Total, X-Apify-Pagination-Desc, "
    b"X-Actorium-Row-Count, X-Actorium-Truncated"
)
_FOR_BROWSERS = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _EXPOSED))
CLOSE = (b"connection", b"close")


class Exchange:
    """A request and what its reply will need."""

    __slots__ = (
        "_given_receive",
        "_request",
        "address",
        "allow",
        "expects",
        "headers",
        "method",
        "rate",
        "receive",
        "request_id",
        "scope",
        "started",
    )

    request_id: str

    def __init__(self, scope: Scope, receive: Receive, *, rate: tuple[bytes, bytes], started: float) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.started = started
        self.rate = rate
        """The X-RateLimit-Limit header."""
        self.allow = "OPTIONS"
        """The path's methods, for the Allow header."""
        client = scope.get("client")
        self.address: str | None = client[0] if client else None
        self._given_receive = receive
        self.expects = b"expect" in self.headers
        """Whether the client waits to be asked for its body."""
        self.receive: Receive = self._receive_expected if self.expects else receive
        self._request: Request | None = None

    @property
    def request(self) -> Request:
        """The request for those who stream it or read headers themselves."""
        if self._request is None:
            self._request = Request(self.scope, self.receive)
        return self._request

    def take_body(self) -> bytes | None:
        """The body, if all of it is here already and the server can hand it over at once."""
        take: TakeBody | None = self.scope.get(BODY_KEY)
        body = take() if take is not None else None
        if body is not None:
            self.expects = False
        return body

    async def _receive_expected(self) -> Message:
        self.expects = False
        return await self._given_receive()

    def reply_headers(self) -> HeaderList:
        """The headers of every reply."""
        headers = [(b"x-request-id", self.request_id.encode()), self.rate]
        if b"origin" in self.headers:  # browsers say where a page came from; nobody else reads these
            headers += _FOR_BROWSERS
        if self.expects:  # a body that was never asked for may come or not: the connection is of no more use
            headers.append(CLOSE)
        return headers
