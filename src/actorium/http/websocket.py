"""WebSockets for handlers: accept, send, close, and know when the peer has left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.types import Message, Receive, Scope, Send

from actorium.http.auth import Authenticate, identify, token_of
from actorium.http.errors import PageNotFound, error_reply
from actorium.http.query import parse_query
from actorium.http.route import Auth
from actorium.http.trie import Trie, param_places, split_path
from actorium.kernel.principal import Principal

NORMAL, BUG = 1000, 1011

_log = structlog.get_logger("actorium.http")


class SocketClosed(Exception):
    """The peer has left; there is nobody to send to."""


class Socket:
    """One WebSocket connection as a handler sees it.

    The principal is ANONYMOUS without a token; whether that is enough is the handler's decision. An ActoriumError
    raised before ``accept`` becomes an ordinary HTTP reply. When the handler returns, the connection is closed.
    """

    def __init__(
        self, receive: Receive, send: Send, *, principal: Principal, params: Mapping[str, str], query: Mapping[str, str]
    ) -> None:
        self.principal = principal
        self.params = params
        self.query = query
        self.accepted = False
        self.close_code: int | None = None
        """Why the peer left, or what this side closed with; None while open."""
        self._receive = receive
        self._send = send

    def __getitem__(self, param: str) -> str:
        return self.params[param]

    async def accept(self) -> None:
        """Answer the handshake."""
        message = await self._receive()
        if message["type"] != "websocket.connect":
            raise SocketClosed
        await self._send({"type": "websocket.accept"})
        self.accepted = True

    async def send_text(self, text: str) -> None:
        """Send one message. Raises SocketClosed once the peer is known to have left."""
        if self.close_code is not None:
            raise SocketClosed
        try:
            await self._send({"type": "websocket.send", "text": text})
        except (OSError, RuntimeError):  # what ASGI servers raise when the peer has gone
            self.close_code = self.close_code or 1006
            raise SocketClosed from None

    async def receive(self) -> str | bytes:
        """The next message of the peer. Raises SocketClosed when it leaves."""
        if self.close_code is not None:
            raise SocketClosed
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.close_code = message.get("code", 1005)
            raise SocketClosed
        return _payload(message)

    async def wait_closed(self) -> None:
        """Return when the peer leaves; messages it sends meanwhile are dropped."""
        try:
            while True:
                await self.receive()
        except SocketClosed:
            return

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close from this side; harmless when it is closed already."""
        if self.close_code is not None:
            return
        self.close_code = code
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            return


SocketHandler = Callable[[Socket], Awaitable[None]]


class SocketRoutes:
    """Finds and runs the handler of a WebSocket path."""

    def __init__(self, handlers: Mapping[str, SocketHandler], *, authenticate: Authenticate) -> None:
        self._authenticate = authenticate
        self._trie: Trie[tuple[SocketHandler, tuple[tuple[str, int], ...]]] = Trie()
        for path, handler in handlers.items():
            self._trie.put(path, (handler, param_places(path)))
        self._trie.settle()

    async def serve(self, scope: Scope, receive: Receive, send: Send, *, request_id: str) -> None:
        """Run one connection from handshake to close."""
        socket = None
        try:
            handler, socket = await self._open(scope, receive, send)
            await handler(socket)
        except SocketClosed:
            return
        except Exception as error:  # as in app.py: any error becomes a reply, or a close code after the handshake
            status, content = error_reply(error, request_id=request_id)
            if socket is not None and socket.accepted:
                await socket.close(BUG if status >= 500 else 1008)
            else:
                await _refuse(scope, send, status=status, content=content)
            return
        if socket.accepted:
            await socket.close()
        else:
            await socket.close(BUG)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> tuple[SocketHandler, Socket]:
        segments = split_path(scope.get("raw_path") or scope["path"].encode())
        found = self._trie.find(segments)
        if found is None:
            raise PageNotFound
        handler, places = found
        query = parse_query(scope["query_string"])
        token = token_of(dict(scope["headers"]), query)
        principal = await identify(token, auth=Auth.OPTIONAL, authenticate=self._authenticate)
        params = {name: segments[at] for name, at in places}
        return handler, Socket(receive, send, principal=principal, params=params, query=query)


def _payload(message: Message) -> str | bytes:
    text: Any = message.get("text")
    return text if text is not None else message.get("bytes") or b""


async def _refuse(scope: Scope, send: Send, *, status: int, content: bytes) -> None:
    """Answer a handshake with an HTTP error where the server can, else with its plain refusal."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(content))]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": content})
