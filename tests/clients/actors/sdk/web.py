"""A few linked pages on a port, until somebody asks for /leave."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LINKS = {"/": ["/a", "/b"], "/a": ["/c", "/"], "/b": ["/c", "/missing"], "/c": []}


@contextmanager
def server(port: int) -> Iterator[threading.Event]:
    """Serve on every address of this container while the block runs; the event is set by /leave."""
    leave = threading.Event()

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            links = LINKS.get(self.path)
            if self.path == "/leave":
                leave.set()
            found = links is not None or self.path == "/leave"
            anchors = "".join(f'<a href="{link}">{link}</a>' for link in links or [])
            page = f"<html><head><title>Page {self.path}</title></head><body>{anchors}</body></html>".encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            return

    served = ThreadingHTTPServer(("", port), Pages)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    try:
        yield leave
    finally:
        served.shutdown()
