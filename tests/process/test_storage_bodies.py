"""Bodies that lie, stall, break or burst, sent to a real server: the contract's error, nothing kept, memory bounded."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import brotli
import pytest

from actorium.kernel.limits import BODY_BYTES_MAX, INLINE_BYTES_MAX, RECORD_BYTES_MAX
from live_server import LiveServer

pytestmark = pytest.mark.services

STALL_SECS = 1.0
SCHEMA_CPU_SECS = 1.0
MEGABYTE = 1 << 20
GROWTH_MAX = 16 * MEGABYTE  # while 100 MB pass
BOMB_GROWTH_MAX = 64 * MEGABYTE
HURRIED = f"""
from actorium.kernel import limits
limits.BODY_STALL_SECS = {STALL_SECS}
limits.SCHEMA_CPU_SECS = {SCHEMA_CPU_SECS}
from actorium.__main__ import main
main()
"""


class HurriedServer(LiveServer):
    """A server that waits a second for the rest of a body, not a minute, and for a schema as long."""

    command = ("-c", HURRIED, "serve")


class Site:
    """A server with a store and a dataset."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        host, _, port = server.url.removeprefix("http://").partition(":")
        self.address = (host, int(port))
        self.store = f"/v2/key-value-stores/{self._made('key-value-stores')}"
        self.dataset = f"/v2/datasets/{self._made('datasets')}"
        self._old_blobs = self._blobs()

    def _made(self, kind: str) -> str:
        status, body = self.server.api("POST", f"/v2/{kind}")
        assert status == 201
        return str(body["data"]["id"])

    def raw(self, request: bytes, *, leave: bool = False, wait: bool = True) -> tuple[int, Any]:
        """Send bytes as they are; the status and JSON body of the reply, 0 without one.

        leave: end our side after them. wait: read the reply.
        """
        with socket.create_connection(self.address, timeout=30) as connection:
            connection.sendall(request)
            if leave:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while wait and (piece := connection.recv(65_536)):
                received += piece
                head, end, body = received.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                if end and length is not None and len(body) >= int(length[1]):
                    return int(head[9:12]), json.loads(body)
        return 0, None

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """The head of a request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.server.token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """A call whose body may be an iterator of pieces; status and whole body."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection(*self.address, timeout=120)
        connection.request(method, path, body, {"Authorization": f"Bearer {self.server.token}"} | sent)
        reply = connection.getresponse()
        received = reply.read()
        connection.close()
        return reply.status, received

    def keys(self) -> list[str]:
        _, body = self.server.api("GET", f"{self.store}/keys")
        return [entry["key"] for entry in body["data"]["items"]]

    def item_count(self) -> int:
        return int(self.server.api("GET", self.dataset)[1]["data"]["itemCount"])

    def _blobs(self) -> set[Path]:
        """Files of blobs, those being written included; not the mark that the survey leaves in its own time."""
        found = (self.server.folder / "data" / "blobs").rglob("*")
        return {path for path in found if path.is_file() and path.name != "actorium-installation"}

    def untouched(self) -> None:
        """Nothing was kept."""
        assert (self.keys(), self.item_count()) == ([], 0)
        assert self._blobs() <= self._old_blobs

    # Memory

    def forget_peak(self) -> int:
        """Bytes in memory now; from here the peak counts."""
        Path(f"/proc/{self.server.pid}/clear_refs").write_text("5")
        return self._memory("VmRSS")

    def peak(self) -> int:
        return self._memory("VmHWM")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with HurriedServer(tmp_path_factory.mktemp("bodies")) as server:
        yield server


@pytest.fixture
def site(server: LiveServer) -> Iterator[Site]:
    site = Site(server)
    yield site
    status, _ = server.api("GET", "/v2/users/me")
    assert status == 200, server.tail()


def targets(site: Site) -> list[tuple[str, str, dict[str, str]]]:
    """What takes a body: method, path, headers."""
    return [
        ("PUT", f"{site.store}/records/r", {}),
        ("POST", f"{site.dataset}/items", {"Content_Type": "application/json"}),
    ]


@pytest.mark.parametrize("sent", [10, INLINE_BYTES_MAX + 300_000])
def test_bodies_shorter_than_they_say(site: Site, sent: int) -> None:
    """The sender leaves: nobody to answer, nothing kept. It stays: 408 after a while."""
    for method, path, headers in targets(site):
        request = site.head(method, path, Content_Length=str(sent + 50), **headers) + b"[" * sent
        assert site.raw(request, leave=True)[0] in (0, 400)
        site.raw(request, wait=False)
        status, body = site.raw(request)
        assert (status, body["error"]["type"]) == (408, "timeout")
    site.untouched()


def test_bodies_longer_than_they_say(site: Site) -> None:
    """What is beyond is no request; whether it or the record is answered first, the record is what was announced."""
    request = site.head("PUT", f"{site.store}/records/r", Content_Length="3")
    status, _ = site.raw(request + b"abcdefgh\r\n\r\n")
    assert status in (201, 400)
    status, found = site.call("GET", f"{site.store}/records/r")
    assert (status, found) == (200, b"abc") or status == 404


@pytest.mark.parametrize(
    "length", ["-1", "1e3", "0x10", "10, 20", "99999999999999999999999999", "\u0661".encode().decode("latin-1")]
)
def test_lengths_that_are_none(site: Site, length: str) -> None:
    for method, path, headers in targets(site):
        status, body = site.raw(site.head(method, path, Content_Length=length, **headers) + b"[]", leave=True)
        assert (status, body["error"]["type"]) in ((400, "invalid-request"), (413, "request-too-large"))
    both = site.head("PUT", f"{site.store}/records/r", Content_Length="3", Transfer_Encoding="chunked")
    status, body = site.raw(both + b"3\r\nabc\r\n0\r\n\r\n", leave=True)
    assert status in (0, 400)
    site.untouched()


def test_lengths_beyond_the_cap_are_refused_unread(site: Site) -> None:
    caps = (RECORD_BYTES_MAX, BODY_BYTES_MAX)
    for cap, (method, path, headers) in zip(caps, targets(site), strict=True):
        status, body = site.raw(site.head(method, path, Content_Length=str(cap + 1), **headers))
        assert (status, body["error"]["type"]) == (413, "request-too-large")
    site.untouched()


def test_chunks_that_stall_or_break(site: Site) -> None:
    for method, path, headers in targets(site):
        request = site.head(method, path, Transfer_Encoding="chunked", **headers)
        status, body = site.raw(request + b"5\r\n[1234\r\n")
        assert (status, body["error"]["type"]) == (408, "timeout")
        assert site.raw(request + b"5\r\n[1234\r\nnonsense\r\n")[0] in (0, 400)
        assert site.raw(request + b"5\r\n[12", leave=True)[0] in (0, 400)
    site.untouched()


BROKEN = {
    "gzip": gzip.compress(b"x" * 100_000)[:-9],
    "deflate": zlib.compress(b"x" * 100_000)[:-3],
    "br": brotli.compress(b"x" * 100_000)[:-2],
}


@pytest.mark.parametrize("coding", BROKEN)
def test_codings_that_break(site: Site, coding: str) -> None:
    for content in (
        BROKEN[coding],
        b"this is no such thing",
        BROKEN[coding][:1],
        os.urandom(INLINE_BYTES_MAX + 200_000),
    ):
        for method, path, headers in targets(site):
            status, body = site.call(method, path, content, Content_Encoding=coding, **headers)
            assert (status, json.loads(body)["error"]["type"]) == (400, "invalid-request")
    site.untouched()


def brotli_bomb(prefix: bytes) -> bytes:
    """Ten gigabytes in a few kilobytes behind a prefix: what brotli makes of 16 MB of nothing, again and again."""
    compressor = brotli.Compressor(quality=5)
    nothing = bytes(16 * MEGABYTE)
    opening = compressor.process(prefix) + compressor.flush()
    first, second, third = (compressor.process(nothing) + compressor.flush() for _ in range(3))
    assert second == third
    return opening + first + second * 639 + compressor.finish()


def gzip_bomb() -> bytes:
    """One gigabyte in a megabyte, which is as far as deflate goes."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, second = (compressor.compress(bytes(MEGABYTE)) + compressor.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + second * 1023


@pytest.mark.parametrize("bomb", ["br", "br behind a megabyte", "gzip"])
def test_bombs(site: Site, bomb: str) -> None:
    content = gzip_bomb() if bomb == "gzip" else brotli_bomb(os.urandom(MEGABYTE) if "megabyte" in bomb else b"[")
    assert len(content) < 2 * MEGABYTE
    before = site.forget_peak()
    for method, path, headers in targets(site):
        status, body = site.call(method, path, content, Content_Encoding=bomb.partition(" ")[0], **headers)
        assert (status, json.loads(body)["error"]["type"]) == (413, "request-too-large")
    assert site.peak() - before <= BOMB_GROWTH_MAX
    site.untouched()


def test_a_hundred_megabytes_in_and_out(site: Site) -> None:
    """As one record, as a part of it, and inside a ZIP file."""
    piece = os.urandom(MEGABYTE)
    target = f"{site.store}/records/large"

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield piece

    site.call("PUT", target, pieces(), Content_Length=str(100 * MEGABYTE))  # once before it counts: threads, buffers
    before = site.forget_peak()
    assert site.call("PUT", target, pieces(), Content_Length=str(100 * MEGABYTE))[0] == 201
    assert site.call("PUT", target, pieces())[0] == 201
    for path, headers, size in (
        (target, {}, 100 * MEGABYTE),
        (target, {"Range": "bytes=1000-90000999"}, 90_000_000),
        (f"{site.store}/records", {}, None),
    ):
        received = length(site, path, headers)
        assert received == size if size is not None else received > 100 * MEGABYTE
    grown = site.peak() - before
    print(f"memory grew by {grown / MEGABYTE:.1f} MB while 500 MB passed")
    assert grown <= GROWTH_MAX


def length(site: Site, path: str, headers: dict[str, str]) -> int:
    """How many bytes a GET sends, without keeping them."""
    connection = HTTPConnection(*site.address, timeout=120)
    connection.request("GET", path, headers={"Authorization": f"Bearer {site.server.token}"} | headers)
    reply = connection.getresponse()
    size = 0
    while piece := reply.read(MEGABYTE):
        size += len(piece)
    connection.close()
    return size


def test_a_coded_hundred_megabytes(site: Site) -> None:
    """Checked while they arrive, decoded for who cannot, and none of it held."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    line = b"".join(b"%d some text that is not quite the same;" % number for number in range(25_000))
    content = b"".join([*(compressor.compress(line) for _ in range(100)), compressor.flush()])
    target = f"{site.store}/records/coded"
    site.call("PUT", target, content, Content_Encoding="gzip")
    before = site.forget_peak()
    assert site.call("PUT", target, content, Content_Encoding="gzip")[0] == 201
    assert length(site, target, {}) == 100 * len(line)
    assert length(site, target, {"Accept-Encoding": "gzip"}) == len(content)
    assert site.peak() - before <= GROWTH_MAX


def test_a_schema_cannot_hold_the_server(site: Site) -> None:
    """A push whose check would take for ever is refused; others are answered meanwhile."""
    definitions = {f"d{at}": {"allOf": [{"$ref": f"#/definitions/d{at + 1}"}] * 2} for at in range(60)}
    fields = {"definitions": definitions | {"d60": {"type": "object"}}, "$ref": "#/definitions/d0"}
    status, body = site.server.api("POST", "/v2/datasets", {"schema": {"fields": fields}})
    assert status == 201
    path = f"/v2/datasets/{body['data']['id']}/items"
    with socket.create_connection(site.address, timeout=60) as slow:
        slow.sendall(site.head("POST", path, Content_Length="2", Content_Type="application/json") + b"{}")
        assert site.server.api("POST", f"{site.dataset}/items", {"a": 1})[0] == 201
        assert site.server.api("GET", "/v2/users/me")[0] == 200
        answer = slow.recv(65_536)
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"schema-validation-error" in answer
