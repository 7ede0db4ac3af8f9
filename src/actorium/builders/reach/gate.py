"""A small proxy for the steps of one build: it leads to the hosts on a list, and says which others were asked for.

It knows CONNECT and single requests of plain HTTP, and looks at nothing but the host. The steps have no other way out:
what they do not ask for here they do not reach, a name server neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from asyncio import StreamReader, StreamWriter, Task
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from actorium.builders.reach.hosts import Hosts
from actorium.builders.reach.onward import Onward, login
from actorium.kernel.descriptors import limit, share
from actorium.kernel.limits import FORWARDER_CONNECTIONS_MAX, HEAD_SECS_MAX

_PIECE = 65_536
_CONNECTIONS_MAX = FORWARDER_CONNECTIONS_MAX // 4  # each may hold some pieces in the server's memory
_SHARES = 16
"""Two descriptors for each connection, and room for the gates of eight builds."""
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_DROPPED = (b"connection:", b"proxy-connection:", b"proxy-authorization:", b"keep-alive:")


class _Refused(Exception):
    """An answer that ends the connection."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


class Gate:
    """``async with Gate(hosts, onward, refused) as port``: it answers on that port of loopback meanwhile."""

    def __init__(self, hosts: Hosts, onward: Onward, refused: Callable[[str], None]) -> None:
        """``refused`` is told each host and port that was asked for in vain."""
        self._hosts, self._onward, self._refused = hosts, onward, refused
        self._most = share(limit(), _SHARES, at_most=_CONNECTIONS_MAX)
        self._handling: set[Task[Any]] = set()
        self._closed = False

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0, limit=_PIECE)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        self._server.close()
        for task in self._handling:
            task.cancel()
        await asyncio.gather(*self._handling, return_exceptions=True)

    async def _handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handling.add(task)
        try:
            if len(self._handling) > self._most:
                raise _Refused("503 Busy", f"A build may have {self._most} connections at once.")
            await self._serve(reader, writer)
        except _Refused as error:
            with contextlib.suppress(OSError):
                text = f"{error}\n".encode()
                head = f"HTTP/1.1 {error.status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode() + text)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side hung up
        except asyncio.CancelledError:
            if not self._closed:  # else it is asked for below, and asyncio would report it as an error of the server's
                raise
        finally:
            self._handling.discard(task)
            writer.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECS_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
            request = _Request.read(head)
        except (TimeoutError, asyncio.LimitOverrunError, ValueError) as error:
            raise _Refused("400 Bad Request", f"This is no request to a proxy: {error}") from error
        if not self._hosts.allow(request.host, request.port):
            self._refused(request.place)
            raise _Refused(
                "403 Not allowed by ACTORIUM_BUILD_NETWORK",
                f"ACTORIUM_BUILD_NETWORK keeps {request.place} from build steps; ACTORIUM_BUILD_HOSTS can name it.",
            )
        try:
            if request.is_tunnel:
                far_reader, far_writer = await self._onward.tunnel(request.host, request.port)
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                far_reader, far_writer, proxy = await self._onward.plain(request.host, request.port)
                far_writer.write(request.onward(proxy))
        except (OSError, TimeoutError) as error:
            raise _Refused("502 Bad Gateway", f"{request.place} can't be reached: {error}") from error
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()


class _Request:
    """What a client wants."""

    def __init__(self, method: str, target: str, headers: list[bytes]) -> None:
        self.is_tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if self.is_tunnel else target)
        if not self.is_tunnel and parts.scheme != "http":
            raise ValueError(f"{target[:80]!r} is no http address")
        self.host = parts.hostname or ""
        if not _HOST.fullmatch(self.host):
            raise ValueError("it names no host")
        self.port = parts.port or (443 if self.is_tunnel else 80)
        self.place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        self._method, self._headers = method, headers
        self._path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"

    @classmethod
    def read(cls, head: bytes) -> Self:
        """From the head of a request. Raises ValueError."""
        first, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        method, target, version = first.decode("ascii").split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(f"{version[:20]!r} is not spoken here")
        return cls(method, target, headers)

    def onward(self, proxy: str) -> bytes:
        """The same request to the host, or to the proxy before it; the answer ends the connection, as the next request
        may be for another host."""
        target = f"http://{self.place}{self._path}" if proxy else self._path
        kept = [line for line in self._headers if not line.lower().startswith((*_DROPPED, b"host:"))]
        lines = [f"{self._method} {target} HTTP/1.1".encode(), b"Host: " + self.place.encode(), *kept]
        return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n" + login(proxy).encode() + b"\r\n"


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    """Until the source ends, which the sink is told."""
    while data := await source.read(_PIECE):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
