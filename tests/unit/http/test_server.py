"""The edge on a real socket: raw bytes in, raw bytes out."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import importlib.util
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import websockets
from websockets.exceptions import InvalidStatus

from actorium.http.app import HttpApp, HttpLimits
from actorium.http.route import Call, RawBody, Reply
from actorium.http.server import Bound, bind, serve
from actorium.http.websocket import Socket
from actorium.kernel.errors import Unavailable
from actorium.kernel.limits import BODY_BYTES_MAX, HEAD_BYTES_MAX

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that servers run on."""
    return "asyncio", {"use_uvloop": importlib.util.find_spec("uvloop") is not None}


async def size(call: Call[Any, Any]) -> Reply:
    return Reply(content={"size": len(call.body.content)})


async def hello(call: Call[Any, Any]) -> Reply:
    return Reply(content={"key": call.params.get("key"), "ip": call.origin.client_ip})


class Site:
    """A served application and a way to send it bytes."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.left = asyncio.Event()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.bound.port)

    async def send(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes on a connection of their own and read one reply."""
        reader, writer = await self.open()
        try:
            writer.write(data)
            async with asyncio.timeout(10):
                return await read_reply(reader)
        finally:
            writer.close()


async def read_reply(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    status = int(first.split()[1])
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if status == 100:
        return status, headers, b""
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while length := int(await reader.readline(), 16):
            body += (await reader.readexactly(length + 2))[:-2]
        await reader.readexactly(2)
        return status, headers, body
    return status, headers, await reader.readexactly(int(headers.get("content-length", "0")))


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: x", "authorization: Bearer alice-token", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error_type(body: bytes) -> str:
    return str(msgspec.json.decode(body)["error"]["type"])


@pytest.fixture
async def site(make_app: Any, route: Any) -> AsyncIterator[Site]:
    made: list[Site] = []

    async def lines() -> AsyncIterator[bytes]:
        try:
            yield b"first\n"
            await asyncio.Event().wait()
        finally:
            made[0].left.set()

    async def follow(call: Call[Any, Any]) -> Reply:
        return Reply(content=lines(), media_type="text/plain")

    async def greet(connection: Socket) -> None:
        await connection.accept()
        await connection.send_text(f"hello {connection.principal.username}")
        await connection.wait_closed()
        made[0].left.set()

    app: HttpApp = make_app(
        [
            route("POST", "/size", size, body=RawBody),
            route("GET", "/hello/{key}", hello),
            route("GET", "/follow", follow),
        ],
        limits=HttpLimits(body_stall_secs=0.4),
        websockets={"/events": greet},
    )
    async with serve(app, bind("127.0.0.1", 0), shutdown_secs=1, head_secs_max=0.6) as bound:
        made.append(Site(bound))
        yield made[0]


async def test_only_a_proxy_that_is_named_may_say_where_a_request_came_from(make_app: Any, route: Any) -> None:
    forwarded = request("GET", "/hello/x", "x-forwarded-for: 192.0.2.1, 203.0.113.9, 10.1.2.3")
    app: HttpApp = make_app([route("GET", "/hello/{key}", hello)])
    trusted = {None: "127.0.0.1", "127.0.0.1,10.0.0.0/8": "203.0.113.9", "10.0.0.0/8": "127.0.0.1"}
    for proxies, told in trusted.items():
        async with serve(app, bind("127.0.0.1", 0), shutdown_secs=1, trusted_proxies=proxies) as bound:
            _, _, body = await Site(bound).send(forwarded)
            assert msgspec.json.decode(body)["data"]["ip"] == told, proxies


async def test_a_request_and_its_reply(site: Site) -> None:
    status, headers, body = await site.send(request("GET", "/hello/a%2Fb'(1)!"))
    assert (status, msgspec.json.decode(body)["data"]) == (200, {"key": "a/b'(1)!", "ip": "127.0.0.1"})
    assert headers["server"] == "actorium"
    assert headers["date"].endswith("GMT")


async def test_requests_follow_each_other_on_a_connection(site: Site) -> None:
    reader, writer = await site.open()
    writer.write(request("GET", "/hello/a") + request("HEAD", "/hello/b")[:20])
    assert (await read_reply(reader))[0] == 200
    writer.write(request("HEAD", "/hello/b")[20:])
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(b'{"data":{"key":"b","ip":"127.0.0.1"}}') in head
    writer.write(request("GET", "/hello/c"))
    assert msgspec.json.decode((await read_reply(reader))[2])["data"]["key"] == "c"
    writer.close()


async def test_chunked_bodies(site: Site) -> None:
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    status, _, body = await site.send(request("POST", "/size", "transfer-encoding: chunked", body=chunks))
    assert (status, msgspec.json.decode(body)["data"]) == (200, {"size": 11})


async def test_a_body_shorter_than_it_says_is_a_stall(site: Site) -> None:
    status, headers, body = await site.send(request("POST", "/size", "content-length: 100", body=b"short"))
    assert (status, error_type(body), headers["connection"]) == (408, "timeout", "close")


async def test_a_slow_body_is_fine_while_it_moves(site: Site) -> None:
    reader, writer = await site.open()
    writer.write(request("POST", "/size", "content-length: 5"))
    for _ in range(5):
        await asyncio.sleep(0.1)  # the limit is on the pause, so the test must pause
        writer.write(b"x")
    assert (await read_reply(reader))[0] == 200
    writer.close()


async def test_a_longer_body_than_it_says_is_no_second_request(site: Site) -> None:
    reader, writer = await site.open()
    writer.write(request("POST", "/size", "content-length: 2", body=b"xx"))
    status, _, body = await read_reply(reader)
    assert (status, msgspec.json.decode(body)["data"]) == (200, {"size": 2})
    writer.write(b"JUNK that was left over\r\n\r\n")
    status, headers, body = await read_reply(reader)
    assert (status, error_type(body), headers["connection"]) == (400, "invalid-request", "close")
    writer.close()


@pytest.mark.parametrize("length", ["-1", "abc", "1, 2"])
async def test_lengths_that_are_none(site: Site, length: str) -> None:
    status, _, body = await site.send(request("POST", "/size", f"content-length: {length}", body=b"x"))
    assert (status, error_type(body)) == (400, "invalid-request")


async def test_a_large_body_that_says_so_is_refused_and_its_sender_sees_it(site: Site) -> None:
    length = BODY_BYTES_MAX * 2
    data = request("POST", "/size", f"content-length: {length}", body=b"x" * length)
    status, _, body = await site.send(data + request("GET", "/hello/next"))
    assert (status, error_type(body)) == (413, "request-too-large")


async def test_who_asked_to_close_sees_the_refusal_of_a_large_body_too(site: Site) -> None:
    length = BODY_BYTES_MAX * 2
    reader, writer = await site.open()
    writer.write(request("POST", "/size", f"content-length: {length}", "connection: close"))
    async with asyncio.timeout(10):
        for _ in range(length // 65_536):
            writer.write(b"x" * 65_536)
            await writer.drain()  # raises when the server cuts what it refuses
        status, headers, body = await read_reply(reader)
        assert (status, error_type(body), headers["connection"]) == (413, "request-too-large", "close")
        assert await reader.read() == b""
    writer.close()


async def test_an_endless_body_is_refused_and_then_cut(site: Site) -> None:
    reader, writer = await site.open()
    writer.write(request("POST", "/size", "transfer-encoding: chunked"))
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"

    async def pour() -> None:
        while True:
            writer.write(chunk)
            await writer.drain()

    async with asyncio.timeout(10):
        pouring = asyncio.create_task(pour())
        status, _, body = await read_reply(reader)
        assert (status, error_type(body)) == (413, "request-too-large")
        with pytest.raises(ConnectionError):
            await pouring
    writer.close()


async def test_a_bomb_is_refused(site: Site) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    headers = ["content-encoding: gzip", f"content-length: {len(bomb)}"]
    status, _, body = await site.send(request("POST", "/size", *headers, body=bomb))
    assert (status, error_type(body)) == (413, "request-too-large")


async def test_expect_100_continue(site: Site) -> None:
    reader, writer = await site.open()
    writer.write(request("POST", "/size", "content-length: 3", "expect: 100-continue"))
    assert (await read_reply(reader))[0] == 100
    writer.write(b"abc")
    status, headers, body = await read_reply(reader)
    assert (status, msgspec.json.decode(body)["data"]) == (200, {"size": 3})
    assert "connection" not in headers
    writer.write(request("POST", "/nowhere", "content-length: 3", "expect: 100-continue"))
    status, headers, _ = await read_reply(reader)
    assert (status, headers["connection"]) == (404, "close")
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /hello/a HTTP/1.1\r\nhost: x\r\nx-slow: "])
async def test_a_head_that_never_ends_is_cut(site: Site, sent: bytes) -> None:
    reader, writer = await site.open()
    writer.write(sent)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_a_head_that_trickles_is_cut(site: Site) -> None:
    reader, writer = await site.open()

    async def trickle() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    writer.write(b"GET /hello/a HTTP/1.1\r\nx: ")
    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):  # so the kernel says it when more came than was read
            assert await reader.read() == b""
    trickling.cancel()
    writer.close()


async def test_a_head_that_is_too_large_is_refused(site: Site) -> None:
    status, _, body = await site.send(b"GET /hello/a HTTP/1.1\r\nx: " + b"y" * HEAD_BYTES_MAX)
    assert (status, error_type(body)) == (400, "invalid-request")
    assert str(HEAD_BYTES_MAX).encode() in body


async def test_what_is_no_http_is_refused(site: Site) -> None:
    status, headers, body = await site.send(b"\x16\x03\x01 hello\r\n\r\n")
    assert (status, error_type(body), headers["connection"]) == (400, "invalid-request", "close")


async def test_a_head_that_uvicorn_cannot_read_leaves_no_traceback(site: Site) -> None:
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    status, _, body = await site.send(b"GET /hello/a?x=" + b"y" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (status, error_type(body), problems) == (400, "invalid-request", [])


async def test_a_follower_that_leaves_ends_its_stream(site: Site) -> None:
    reader, writer = await site.open()
    writer.write(request("GET", "/follow"))
    await reader.readuntil(b"first\n")
    writer.close()
    async with asyncio.timeout(5):
        await site.left.wait()


async def test_websocket(site: Site) -> None:
    url = f"ws://127.0.0.1:{site.bound.port}/events"
    async with websockets.connect(f"{url}?token=bob-token", proxy=None) as connection:
        assert await connection.recv() == "hello bob"
    async with asyncio.timeout(5):
        await site.left.wait()
    with pytest.raises(InvalidStatus) as refused:
        await websockets.connect(f"{url}?token=wrong", proxy=None)
    assert refused.value.response.status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        await websockets.connect(url.replace("events", "nothing"), proxy=None)
    assert refused.value.response.status_code == 404


async def test_shutdown_lets_requests_finish_and_cuts_what_stays(make_app: Any, route: Any) -> None:
    started, finish, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(call: Call[Any, Any]) -> Reply:
        started.set()
        await finish.wait()
        return Reply(content={"done": True})

    async def stuck(call: Call[Any, Any]) -> Reply:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Reply()

    app = make_app([route("GET", "/slow", slow), route("GET", "/stuck", stuck)])
    async with asyncio.timeout(10):
        async with serve(app, bind("127.0.0.1", 0), shutdown_secs=5) as bound:
            answer = asyncio.create_task(Site(bound).send(request("GET", "/slow")))
            await started.wait()
            asyncio.get_running_loop().call_later(0.2, finish.set)
        assert (await answer)[0] == 200
        started.clear()
        async with serve(app, bind("127.0.0.1", 0), shutdown_secs=1) as bound:
            _, writer = await Site(bound).open()
            writer.write(request("GET", "/stuck"))
            await started.wait()
        assert cancelled.is_set()
        writer.close()


async def test_the_port_is_free_again_after_serving(make_app: Any) -> None:
    bound = bind("127.0.0.1", 0)
    async with serve(make_app([]), bound):
        with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{bound.port}: Address already in use"):
            bind("127.0.0.1", bound.port)
    again = bind("127.0.0.1", bound.port)
    again.socket.close()


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")],
)
def test_addresses(host: str, url: str) -> None:
    try:
        bound = bind(host, 0)
    except Unavailable as error:
        if ":" not in host:
            raise
        pytest.skip(f"no IPv6 here: {error}")
    assert bound.url == f"http://{url}:{bound.port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as caller:
        caller.connect((url.strip("[]"), bound.port))
    bound.socket.close()


@pytest.mark.parametrize(
    ("host", "port"), [("no.such.host.invalid", 0), ("203.0.113.7", 0), ("127.0.0.1", 70_000), ("a" * 300, 0)]
)
def test_addresses_that_cannot_be(host: str, port: int) -> None:
    with pytest.raises(Unavailable, match="Cannot listen on"):
        bind(host, port)
