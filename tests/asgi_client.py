"""Drives an ASGI application in process: one request, one reply, no sockets. For every test author."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message

Body = bytes | Sequence[bytes]


class Answer(tuple[int, dict[str, str], bytes]):
    """``(status, headers, body)`` with names; header names are lower case."""

    __slots__ = ()

    @property
    def status(self) -> int:
        return self[0]

    @property
    def headers(self) -> dict[str, str]:
        return self[1]

    @property
    def body(self) -> bytes:
        return self[2]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self[2])


class AsgiClient:
    """Sends requests to an application as a server would.

    token: sent as a bearer token with every request that has no Authorization header of its own.
    """

    def __init__(self, app: ASGIApp, *, token: str | None = None, address: str = "127.0.0.1") -> None:
        self._app = app
        self._token = token
        self._address = address

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        json: Any = None,
        timeout: float = 30,
    ) -> Answer:
        """One request. ``target`` is path and query as they stand in a request line; several body pieces are chunks.

        Raises AssertionError for replies no server could send.
        """
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if json is not None:
            body = msgspec.json.encode(json)
            sent.setdefault("content-type", "application/json")
        if self._token is not None:
            sent.setdefault("authorization", f"Bearer {self._token}")
        pieces = [body] if isinstance(body, bytes) else list(body)
        if isinstance(body, bytes) and body:
            sent.setdefault("content-length", str(len(body)))
        exchange = _Exchange(pieces)
        scope = self.scope(method, target, headers=sent)
        async with asyncio.timeout(timeout):
            await self._app(scope, exchange.receive, exchange.send)
        return exchange.answer(head=method == "HEAD")

    def scope(self, method: str, target: str, *, headers: Mapping[str, str]) -> dict[str, Any]:
        path, _, query = target.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
            "client": (self._address, 50000),
            "server": ("127.0.0.1", 80),
            "state": {},
        }


class _Exchange:
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._complete = False

    async def receive(self) -> Message:
        if not self._pieces:
            await asyncio.Event().wait()  # a client that waits for its reply
        piece = self._pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}

    async def send(self, message: Message) -> None:
        assert not self._complete, "sent after the reply was complete"
        if message["type"] == "http.response.start":
            assert not self._status, "two replies to one request"
            self._status = message["status"]
            self._headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            assert len(self._headers) == len(message["headers"]), f"a header occurs twice: {message['headers']}"
            return
        assert self._status, "a body before its status"
        self._body += message.get("body", b"")
        self._complete = not message.get("more_body", False)

    def answer(self, *, head: bool) -> Answer:
        assert self._complete, "the reply is not complete"
        length = self._headers.get("content-length")
        assert length is None or head or int(length) == len(self._body), "content-length is not the length"
        assert not (head and self._body), "a body in the reply to HEAD"
        return Answer((self._status, self._headers, bytes(self._body)))
