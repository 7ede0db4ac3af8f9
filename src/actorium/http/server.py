"""uvicorn inside our own event loop: bind, serve, stop. Signals are the caller's business."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from actorium.http.whole import adopt
from actorium.kernel.errors import Unavailable
from actorium.kernel.limits import HEAD_BYTES_MAX, HEAD_SECS_MAX, KEEP_ALIVE_SECS, SHUTDOWN_SECS, WEBSOCKET_BYTES_MAX
from actorium.kernel.structs import encode

_BACKLOG = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A listening socket. Connections queue from now on; ``serve`` answers them."""

    socket: socket.socket
    host: str
    port: int

    @property
    def url(self) -> str:
        """The address a program on this machine can open, without a slash at its end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  # compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def bind(host: str, port: int) -> Bound:
    """Listen on an IPv4 or IPv6 address or a host name; port 0 is any free one. Raises Unavailable with the reason."""
    if not 0 <= port <= 65_535:
        raise Unavailable(f"Cannot listen on {host}:{port}: a port is a number from 0 (any free one) to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"Cannot listen on {host}: {error}. Use a host name or address of this machine.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Unavailable(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another host or port.") from None
    listener.setblocking(False)
    return Bound(socket=listener, host=host, port=listener.getsockname()[1])


@asynccontextmanager
async def serve(
    app: ASGIApp,
    bound: Bound,
    *,
    shutdown_secs: int = SHUTDOWN_SECS,
    trusted_proxies: str | None = None,
    head_secs_max: float = HEAD_SECS_MAX,
) -> AsyncIterator[Bound]:
    """Answer requests while the block runs. Leaving it stops listening, lets requests in flight finish for
    ``shutdown_secs``, then cancels them. The application's lifespan is not used: open what it needs around this.

    trusted_proxies: addresses, comma-separated, whose X-Forwarded-For is believed; None believes nobody.
    """
    config = Config(
        app,
        http=_bounded_protocol(head_secs_max),
        ws=WebSocketsSansIOProtocol,
        lifespan="off",
        log_config=None,
        log_level=logging.CRITICAL,  # the application logs what fails; uvicorn would say it again
        access_log=False,
        proxy_headers=trusted_proxies is not None,
        forwarded_allow_ips=trusted_proxies,
        server_header=False,
        headers=[("server", "actorium")],
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECS,
        timeout_graceful_shutdown=shutdown_secs,
        ws_max_size=WEBSOCKET_BYTES_MAX,
        ws_ping_interval=20.0,
        ws_ping_timeout=None,  # Actors may block their loop for minutes; pings only keep the connection open
        ws_per_message_deflate=False,
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[bound.socket]))
    try:
        await asyncio.wait({serving, server.ready}, return_when=asyncio.FIRST_COMPLETED)
        yield bound
    finally:
        server.should_exit = True
        await serving
        bound.socket.close()
        if server.server_state.tasks:  # cancelled, and about to leave
            await asyncio.wait(server.server_state.tasks, timeout=1)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's event loop where it is installed, else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class _Server(Server):
    """uvicorn's server without its signal handlers, and with a future that tells when it serves."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        await self.on_tick(0)  # default headers, before the first request rather than after
        self.ready.set_result(None)


def _bounded_protocol(head_secs_max: float) -> type[asyncio.Protocol]:
    return type("BoundedHttp", (_BoundedHttp,), {"head_secs_max": head_secs_max})


class _BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a limit on the size and time of a request's head.

    The same time bounds a body that goes on after its reply: nobody reads it, it is only let pass so that the
    client gets to see the reply.
    """

    head_secs_max = HEAD_SECS_MAX

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._in_body = False
        self._head_bytes = 0
        self._guard: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._guard = self.loop.call_later(self.head_secs_max, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._head_bytes = False, True, 0
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        adopt(cycle)
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()
        if self._said_goodbye():
            self.transport.close()

    def _said_goodbye(self) -> bool:
        """Whether the last reply of this connection is out."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.response_complete and not cycle.keep_alive

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response(f"The request line and headers are larger than {HEAD_BYTES_MAX} bytes.")
        elif not self._in_body or not self._replied():
            self._disarm()
            return
        if self._guard is None:
            self._guard = self.loop.call_later(self.head_secs_max, self.transport.close)

    def _replied(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None while the connection's first head is not understood
        return cycle is None or cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the shape of every other error."""
        if self._said_goodbye():
            self.transport.close()
            return
        body = encode({"error": {"type": "invalid-request", "message": msg}})
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json; charset=utf-8\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.transport.close()

    def _disarm(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
