"""A body that is here at once is read like one that comes in pieces."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from actorium.http.app import HttpApp
from actorium.http.body import read_body
from actorium.http.route import Call, RawBody, Reply
from actorium.http.server import bind, serve
from actorium.kernel.errors import ActoriumError

CAP = 500
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "deflate": zlib.compress,
    "identity": bytes,
    "": bytes,
    "rot13": bytes,
}


def receiving(pieces: list[bytes]) -> Callable[[], Awaitable[Message]]:
    waiting: Iterator[bytes] = iter(pieces)
    left = len(pieces)

    async def receive() -> Message:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(waiting), "more_body": left > 0}

    return receive


async def nothing() -> Message:
    raise AssertionError("the body is here already")


def outcome(reading: Awaitable[bytes]) -> bytes | None:
    """What was read; None if it was refused. Which of two reasons is met first may differ."""

    async def read() -> bytes | None:
        try:
            return await reading
        except ActoriumError:
            return None

    return asyncio.run(read())


@given(
    st.sampled_from(sorted(CODINGS)),
    st.binary(max_size=800),
    st.binary(max_size=5),
    st.integers(0, 60),
    st.integers(1, 40),
)
def test_the_same_bytes_or_none(coding: str, data: bytes, noise: bytes, at: int, step: int) -> None:
    packed = CODINGS[coding](data)
    packed = packed[:at] + noise + packed[at:]
    headers = {b"content-encoding": coding.encode()} if coding else {}
    pieces = [packed[start : start + step] for start in range(0, len(packed), step)] or [b""]
    whole = outcome(read_body(nothing, headers, whole=packed, cap=CAP))
    assert whole == outcome(read_body(receiving(pieces), headers, cap=CAP))


@pytest.mark.anyio
async def test_bodies_that_come_with_their_head_and_after_it(make_app: Any, route: Any) -> None:
    seen: list[bytes] = []

    async def keep(call: Call[Any, Any]) -> Reply:
        seen.append(call.body.content)
        return Reply(content={})

    app: HttpApp = make_app([route("POST", "/keep", keep, body=RawBody)])
    bodies = [b"x" * 10, b"", b"y" * 200_000, b"z" * 70_000, b"end"]
    async with serve(app, bind("127.0.0.1", 0), shutdown_secs=1) as bound:
        reader, writer = await asyncio.open_connection("127.0.0.1", bound.port)
        for body in bodies:
            head = b"POST /keep HTTP/1.1\r\nhost: x\r\nauthorization: Bearer alice-token\r\ncontent-length: %d\r\n\r\n"
            writer.write(head % len(body) + body)
            await reply(reader)
        # pipelined: the second head and body are in the first one's packet
        writer.write((head % 3 + b"one") + (head % 3 + b"two"))
        await reply(reader)
        await reply(reader)
        writer.close()
    assert seen == [*bodies, b"one", b"two"]


async def reply(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        await reader.readexactly(len(b'{"data":{}}'))
