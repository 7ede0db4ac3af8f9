"""Hosts of a test's own on loopback, and a program that tries to reach them as a build step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCRIPT = """
import os, socket, sys, urllib.request
for port in sys.argv[1:]:
    try: print("reached", port, urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=5).read().decode())
    except OSError as error: print("kept from", port)
    try: print("straight to", port, socket.create_connection(("127.0.0.1", int(port)), 1))
    except OSError: pass
print("interfaces", *sorted(name for _, name in socket.if_nameindex()))
sys.exit(int(os.environ.get("ENDS", "0")))
"""


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"hello"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def two_hosts() -> Iterator[tuple[int, int]]:
    """The ports of two."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _Hello) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield servers[0].server_port, servers[1].server_port
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
