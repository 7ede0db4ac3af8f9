"""The application: one plain ASGI callable from routes, aliases, pages and websockets."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from starlette.types import Receive, Scope, Send

from actorium.http.auth import Authenticate
from actorium.http.endpoint import Endpoint, Gate
from actorium.http.errors import BodyStalled, PageNotFound, WrongMethod, error_reply
from actorium.http.exchange import CLOSE, Exchange
from actorium.http.query import NO_PARAMS, parse_query
from actorium.http.ratelimit import RateLimiter
from actorium.http.reply import Wired, send_stream, wire_json, wire_result
from actorium.http.route import Alias, Route
from actorium.http.router import Operation, compile_leaves, expand
from actorium.http.trie import split_path
from actorium.http.websocket import SocketHandler, SocketRoutes
from actorium.http.whole import SCOPE_KEY, SendWhole
from actorium.kernel.clock import Clock
from actorium.kernel.errors import ActoriumError, Unauthenticated
from actorium.kernel.ids import Ids
from actorium.kernel.limits import BODY_BYTES_MAX, BODY_STALL_SECS, RATE_DEFAULT

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_SECRET = re.compile(r"(?i)(^|&)((?:token|signature)=)[^&]*")
_PREFLIGHT_SECS = b"86400"

Lifespan = Callable[[], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What the edge allows. The defaults are those of the API."""

    body_bytes_max: int = BODY_BYTES_MAX
    body_stall_secs: float = BODY_STALL_SECS
    rate_scale: float = 1.0
    """Multiplies every rate limit; 0 turns them off."""


class HttpApp:
    """An ASGI application over a route table.

    pages: routes that are no part of the API and of its document, such as documentation; paths may end in ``{name*}``.
    websockets: handlers by path template.
    lifespan: entered when the server starts and left when it stops, for servers that speak the lifespan protocol.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        aliases: Sequence[Alias] = (),
        *,
        authenticate: Authenticate,
        clock: Clock,
        ids: Ids,
        limits: HttpLimits | None = None,
        pages: Sequence[Route] = (),
        websockets: Mapping[str, SocketHandler] | None = None,
        lifespan: Lifespan | None = None,
    ) -> None:
        limits = limits or HttpLimits()
        limiter = RateLimiter(clock.monotonic, scale=limits.rate_scale)
        gate = Gate(
            authenticate,
            limiter=limiter,
            body_bytes_max=limits.body_bytes_max,
            body_stall_secs=limits.body_stall_secs,
        )
        self.operations: Sequence[Operation] = expand(routes, aliases)
        endpoints = [Endpoint(operation, gate) for operation in [*self.operations, *expand(pages, ())]]
        self._trie = compile_leaves(
            ((made.operation.method, made.operation.path, made) for made in endpoints),
            acting={made.operation.path for made in endpoints if made.operation.route.acts},
        )
        self._sockets = SocketRoutes(websockets or {}, authenticate=authenticate)
        self._monotonic = clock.monotonic
        self._request_prefix = ids.new()[:10]
        self._requests = 0
        self._rate_default = (b"x-ratelimit-limit", b"%d" % limiter.shown(RATE_DEFAULT))
        self._lifespan = lifespan
        self._log = structlog.get_logger("actorium.http").bind()
        self._logs_requests: bool = self._log.is_enabled_for(logging.DEBUG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._sockets.serve(scope, receive, send, request_id=self._request_id({}))
        elif kind == "lifespan":
            await _live(self._lifespan, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, rate=self._rate_default, started=self._monotonic())
        exchange.request_id = self._request_id(exchange.headers)
        try:
            wired = await self._answer(exchange)
        except Exception as error:  # the one place where any error becomes a reply
            wired = _fail(exchange, error)
        whole = True
        try:
            send_whole: SendWhole | None = scope.get(SCOPE_KEY)
            if wired.stream is None and send_whole and send_whole(wired.status, wired.headers, wired.content):
                pass
            elif wired.stream is None:
                await send({"type": "http.response.start", "status": wired.status, "headers": wired.headers})
                content = b"" if scope["method"] == "HEAD" else wired.content
                await send({"type": "http.response.body", "body": content})
            else:
                whole = await send_stream(wired, send=send, receive=receive, head=scope["method"] == "HEAD")
        except Exception as error:  # the status is sent; the server sees an incomplete reply and cuts the connection
            whole = False
            self._log_failed_stream(exchange, error)
        if self._logs_requests:
            self._log_request(exchange, status=wired.status, whole=whole)

    async def _answer(self, exchange: Exchange) -> Wired:
        scope, method = exchange.scope, exchange.method
        segments = split_path(scope.get("raw_path") or quote(scope["path"]).encode())
        leaf = self._trie.find(segments)
        if leaf is None:
            raise PageNotFound
        exchange.allow = leaf.allow
        if method == "OPTIONS":
            return _preflight(exchange)
        raw_query = scope["query_string"]
        query = parse_query(raw_query) if raw_query else NO_PARAMS
        if "method" in query and method in ("GET", "POST"):
            exchange.method = method = query["method"].upper()
        endpoint = leaf.methods.get(method)
        if endpoint is None:
            raise WrongMethod(methods=leaf.declared)
        exchange.rate = endpoint.rate_header
        result = await endpoint.run(exchange, segments, query=query)
        accept = exchange.headers.get(b"accept-encoding")
        return wire_result(result, envelope=endpoint.envelope, headers=exchange.reply_headers(), accept=accept)

    def _log_failed_stream(self, exchange: Exchange, error: Exception) -> None:
        if isinstance(error, ActoriumError):  # no bug: what was read is gone, or may not be read any more
            self._log.warning("http.stream_failed", request_id=exchange.request_id, error=error.message)
        else:
            self._log.error("http.stream_failed", request_id=exchange.request_id, exc_info=error)

    def _log_request(self, exchange: Exchange, *, status: int, whole: bool) -> None:
        scope = exchange.scope
        self._log.debug(
            "http.request",
            method=exchange.method,
            path=scope["path"],
            query=_SECRET.sub(r"\1\2***", scope["query_string"].decode("latin-1")),
            status=status,
            millis=round((self._monotonic() - exchange.started) * 1000, 2),
            complete=whole,
            request_id=exchange.request_id,
        )

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode("ascii")
        self._requests += 1
        return f"{self._request_prefix}{self._requests:x}"


def _fail(exchange: Exchange, error: Exception) -> Wired:
    status, content = error_reply(error, request_id=exchange.request_id)
    headers = exchange.reply_headers()
    if isinstance(error, BodyStalled):
        headers.append(CLOSE)
    elif isinstance(error, WrongMethod):
        headers.append((b"allow", exchange.allow.encode()))
    elif isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    return wire_json(status, content, headers=headers, accept=None)


def _preflight(exchange: Exchange) -> Wired:
    allow = exchange.allow.encode()
    wanted = exchange.headers.get(b"access-control-request-headers", b"Authorization, Content-Type, Content-Encoding")
    return Wired(
        204,
        [
            *exchange.reply_headers(),
            (b"allow", allow),
            (b"access-control-allow-methods", allow),
            (b"access-control-allow-headers", wanted),
            (b"access-control-max-age", _PREFLIGHT_SECS),
        ],
    )


async def _live(lifespan: Lifespan | None, receive: Receive, send: Send) -> None:
    """The lifespan protocol."""
    await receive()
    try:
        async with lifespan() if lifespan is not None else nullcontext():
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise
    await send({"type": "lifespan.shutdown.complete"})
