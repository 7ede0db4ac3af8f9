"""Replies: bytes, streams that end when their reader leaves, compression."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import brotli
import pytest
import structlog

from actorium.http.route import Call, Reply
from actorium.kernel.errors import NotFound
from asgi_client import AsgiClient

pytestmark = pytest.mark.anyio

TEXT = b'{"message": "the quick brown fox"}' * 200


@pytest.fixture
def reply_with(client: Any, route: Any) -> Any:
    """A client of one GET route at /x that gives this reply."""

    def make(reply: Any) -> AsgiClient:
        async def handler(call: Call[Any, Any]) -> Any:
            return reply() if callable(reply) else reply

        return client(route("GET", "/x", handler))

    return make


@pytest.mark.parametrize(
    ("reply", "status", "body", "media_type"),
    [
        (Reply(content={"a": 1}), 200, b'{"data":{"a":1}}', "application/json; charset=utf-8"),
        (Reply(status=201, content={}, envelope=False), 201, b"{}", "application/json; charset=utf-8"),
        (Reply(content=b"a,b", media_type="text/csv"), 200, b"a,b", "text/csv"),
        (Reply(content=b"\x00"), 200, b"\x00", "application/octet-stream"),
        (Reply(content=b"x", headers={"Content-Type": "image/png"}), 200, b"x", "image/png"),
        (
            Reply(content=[1], envelope=False, media_type="application/vnd.x+json"),
            200,
            b"[1]",
            "application/vnd.x+json",
        ),
        (Reply(), 200, b"", None),
        (Reply(status=204), 204, b"", None),
        (Reply(status=302, headers={"Location": "/y"}), 302, b"", None),
    ],
)
async def test_replies(reply_with: Any, reply: Reply, status: int, body: bytes, media_type: str | None) -> None:
    answer = await reply_with(reply).request("GET", "/x")
    assert (answer.status, answer.body, answer.headers.get("content-type")) == (status, body, media_type)
    assert answer.headers.get("content-length") == (None if status == 204 else str(len(body)))


async def test_header_values_from_users_cannot_break_the_reply(reply_with: Any) -> None:
    reply = Reply(content=b"x", media_type="text/x\r\nSet-Cookie: a", headers={"Content-Disposition": "č\n; a=é"})
    answer = await reply_with(reply).request("GET", "/x")
    assert answer.headers["content-type"] == "text/xSet-Cookie: a"
    assert answer.headers["content-disposition"] == "?; a=é"


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("br", "br"),
        ("gzip;q=0, br;q=0.5", "br"),
        ("gzip;q=0.0", None),
        ("GZIP", "gzip"),
        ("deflate", None),
        ("identity", None),
        ("", None),
        (None, None),
    ],
)
async def test_large_text_is_compressed_for_those_who_read_it(reply_with: Any, accept: str | None, coding: Any) -> None:
    headers = {} if accept is None else {"Accept-Encoding": accept}
    answer = await reply_with(Reply(content=TEXT, media_type="application/json")).request("GET", "/x", headers=headers)
    assert answer.headers.get("content-encoding") == coding
    unpack = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}[coding]
    assert unpack(answer.body) == TEXT
    assert (answer.headers.get("vary") == "Accept-Encoding") == (coding is not None)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(content=TEXT[:2000], media_type="application/json"),
        Reply(content=TEXT, media_type="image/png"),
        Reply(content=TEXT, media_type="application/json", headers={"Content-Encoding": "br"}),
        Reply(status=206, content=TEXT, media_type="text/plain", headers={"Content-Range": "bytes 0-6799/6800"}),
    ],
)
async def test_what_is_sent_as_it_is(reply_with: Any, reply: Reply) -> None:
    answer = await reply_with(reply).request("GET", "/x", headers={"Accept-Encoding": "gzip"})
    assert answer.body == reply.content
    assert answer.headers.get("content-encoding") == reply.headers.get("Content-Encoding")


class Stream:
    """A stream that can wait and that knows how it ended."""

    def __init__(self, pieces: list[bytes], *, then: Any = None) -> None:
        self.pieces = pieces
        self.then = then
        self.started = False
        self.ended_by: Any = None

    async def __call__(self) -> AsyncIterator[bytes]:
        self.started = True
        try:
            for piece in self.pieces:
                yield piece
            if self.then is not None:
                await self.then()
        except BaseException as error:
            self.ended_by = type(error)
            raise
        self.ended_by = "end"


async def test_streams_are_sent_piece_by_piece(reply_with: Any) -> None:
    stream = Stream([b"one ", b"", b"two"])
    answer = await reply_with(lambda: Reply(content=stream(), media_type="text/plain")).request("GET", "/x")
    assert (answer.body, answer.headers["content-type"]) == (b"one two", "text/plain")
    assert "content-length" not in answer.headers
    assert stream.ended_by == "end"


async def test_head_of_a_stream_does_not_run_it(reply_with: Any) -> None:
    stream = Stream([b"x"])
    caller = reply_with(lambda: Reply(content=stream(), headers={"Content-Length": "1"}))
    answer = await caller.request("HEAD", "/x")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "1")
    assert not stream.started


async def test_a_stream_ends_when_its_reader_leaves(make_app: Any, route: Any) -> None:
    waiting, left = asyncio.Event(), asyncio.Event()

    async def wait_forever() -> None:
        waiting.set()
        await asyncio.Event().wait()

    stream = Stream([b"one"], then=wait_forever)

    async def handler(call: Call[Any, Any]) -> Reply:
        return Reply(content=stream())

    app = make_app([route("GET", "/x", handler)])
    sent = []

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = AsgiClient(app).scope("GET", "/x", headers={"authorization": "Bearer alice-token"})
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        answering = tasks.create_task(app(scope, receive, send))
        await waiting.wait()
        left.set()
        await answering
    assert stream.ended_by is asyncio.CancelledError
    assert answering.cancelling() == 0
    assert sent[-1] == {"type": "http.response.body", "body": b"one", "more_body": True}


async def test_a_cancellation_from_outside_is_not_swallowed(make_app: Any, route: Any) -> None:
    waiting = asyncio.Event()

    async def wait_forever() -> None:
        waiting.set()
        await asyncio.Event().wait()

    stream = Stream([], then=wait_forever)

    async def handler(call: Call[Any, Any]) -> Reply:
        return Reply(content=stream())

    caller = AsgiClient(make_app([route("GET", "/x", handler)]), token="alice-token")
    answering = asyncio.create_task(caller.request("GET", "/x"))
    await asyncio.wait_for(waiting.wait(), 5)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert stream.ended_by is asyncio.CancelledError


@pytest.mark.parametrize(
    ("error", "told"),
    [(NotFound("gone meanwhile"), ("warning", "gone meanwhile", False)), (ValueError("a bug"), ("error", None, True))],
)
async def test_a_stream_that_fails_is_cut_and_logged(
    make_app: Any, route: Any, error: Exception, told: tuple[str, str | None, bool]
) -> None:
    async def fail() -> None:
        raise error

    async def handler(call: Call[Any, Any]) -> Reply:
        return Reply(content=Stream([b"one"], then=fail)())

    app = make_app([route("GET", "/x", handler)])
    with structlog.testing.capture_logs() as logs, pytest.raises(AssertionError, match="not complete"):
        await AsgiClient(app, token="alice-token").request("GET", "/x")
    lines = [line for line in logs if line["event"] == "http.stream_failed"]
    assert [(line["log_level"], line.get("error"), "exc_info" in line) for line in lines] == [told]
