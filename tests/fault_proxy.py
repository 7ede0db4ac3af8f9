"""A TCP proxy on loopback that can be told to fail, between a server and what it stands on."""

from __future__ import annotations

import contextlib
import selectors
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

PIECE_BYTES = 65_536
CUT_AFTER_BYTES = 40_000
UNAVAILABLE = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 68\r\nConnection: close\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>Please slow.</Message></Error>\n"
)


class Mode(StrEnum):
    """What happens to connections."""

    PASS = "pass"
    REFUSE = "refuse"  # closed with a reset, before a byte was read
    ERROR = "error"  # every request gets a 503
    CUT = "cut"  # reset in the middle: after so many bytes in either direction
    DEAF = "deaf"  # requests arrive and are done, their answers never come back


class FaultProxy:
    """``with proxy(port) as one: one.mode = Mode.CUT``; connections that are open fail with the next bytes."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.mode = Mode.PASS
        self.port = 0
        self.failures = 0


class _Connection(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        proxy = self.server.proxy
        if proxy.mode is Mode.REFUSE:
            self._reset()
            return
        with contextlib.suppress(OSError), socket.create_connection(proxy.target) as upstream:
            self._forward(proxy, self.request, upstream)

    def _forward(self, proxy: FaultProxy, client: socket.socket, upstream: socket.socket) -> None:
        passed = 0
        with selectors.DefaultSelector() as waiting:
            waiting.register(client, selectors.EVENT_READ, upstream)
            waiting.register(upstream, selectors.EVENT_READ, client)
            while True:
                for key, _ in waiting.select():
                    source: Any = key.fileobj
                    piece = source.recv(PIECE_BYTES)
                    if not piece:
                        return
                    passed += len(piece)
                    if not self._passes(proxy, source is client, passed):
                        return
                    if proxy.mode is Mode.DEAF and source is upstream:
                        proxy.failures += 1
                        self._reset()
                        return
                    key.data.sendall(piece)

    def _passes(self, proxy: FaultProxy, from_client: bool, passed: int) -> bool:
        if proxy.mode is Mode.REFUSE or (proxy.mode is Mode.CUT and passed > CUT_AFTER_BYTES):
            self._reset()
        elif proxy.mode is Mode.ERROR and from_client:
            proxy.failures += 1
            self.request.sendall(UNAVAILABLE)
            self.request.shutdown(socket.SHUT_WR)
            while self.request.recv(PIECE_BYTES):
                pass
        else:
            return True
        return False

    def _reset(self) -> None:
        self.server.proxy.failures += 1
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.proxy = proxy


@contextlib.contextmanager
def running(target: tuple[str, int]) -> Iterator[FaultProxy]:
    """A proxy to an address, on a free port."""
    proxy = FaultProxy(target)
    with _Server(proxy) as server:
        proxy.port = int(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
