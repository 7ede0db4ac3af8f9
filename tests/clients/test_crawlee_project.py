"""A Crawlee project gives the same results on its own file storage and on Actorium."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from live_server import LiveServer

pytestmark = [pytest.mark.clients]

PROJECT = Path(__file__).parent / "projects" / "crawl.py"
PAGES = {
    "/start": ("Start", ("/a", "/b", "/broken", "/a#part", "/moved")),
    "/a": ("A", ("/b", "/c", "/start")),
    "/b": ("B", ("/c?x=1&y=2", "/c?y=2&x=1")),
    "/c": ("C", ()),
    "/late": ("Late", ("/missing",)),
    "/front": ("Front", ()),
}
CRAWL_SECS = 100


class Site(BaseHTTPRequestHandler):
    """A few pages: one fails, one fails at first, one moved, one is missing."""

    shaky = 0

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/c")
            self.end_headers()
            return
        if path == "/b" and type(self).shaky < 1:
            type(self).shaky += 1
            path = "/broken"
        status = 200 if path in PAGES else 500 if path == "/broken" else 404
        title, links = PAGES.get(path, ("none", ()))
        body = f"<title>{title}</title>" + "".join(f'<a href="{link}">é</a>' for link in links)
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def crawled(site: str, storage: str, **more: str) -> dict[str, Any]:
    Site.shaky = 0
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("APIFY_", "CRAWLEE_"))}
    done = subprocess.run(
        [sys.executable, str(PROJECT), site, storage],
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=CRAWL_SECS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_results_are_the_same(server: LiveServer, site: str, tmp_path: Path) -> None:
    own = crawled(site, str(tmp_path / "storage"))
    ours = crawled(
        site, "actorium", APIFY_TOKEN=server.token, APIFY_API_BASE_URL=server.url, APIFY_API_PUBLIC_BASE_URL=server.url
    )
    for result in (own, ours):
        titles = [item["title"] for item in result["items"]]
        assert result.pop("page") == titles[::-1][1:3]
        result["items"].sort(key=lambda item: item["url"])  # the two clients put a retried request at different places
    assert ours == own
    assert len(own["items"]) > 5
    assert own["failed"]
    assert own["queue"][0] == own["queue"][1] > 5
