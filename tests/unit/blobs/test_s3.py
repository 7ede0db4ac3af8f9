"""What only a store that misbehaves can show, on a scripted one; where a bucket is, and what its refusals mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from actorium.blobs.s3 import S3Blobs
from actorium.blobs.s3_address import Address, refusal
from actorium.kernel.errors import BackendUnavailable

KEYS = {"AWS_ACCESS_KEY_ID": "us", "AWS_SECRET_ACCESS_KEY": "a secret"}
EMPTY_LISTING = b"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"
BODY = bytes(range(256)) * 400

Reply = bytes
Answer = Callable[[str, str], Reply]
"""From the request line and the Range header to the bytes on the wire."""


def reply(status: str, body: bytes = b"", *headers: str, size: int | None = None) -> Reply:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if size is None else size}", "Connection: close"]
    lines += ["Last-Modified: Sun, 22 Nov 2026 12:00:00 GMT", 'ETag: "1"', *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def store(answer: Answer) -> AsyncIterator[S3Blobs]:
    """Blobs in a store that answers so, once it has been opened."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(headers.get("content-length", "0")))
        line = head.split("\r\n", 1)[0]
        if "start-check" in line:
            writer.write(reply("200 OK"))
        elif "list-type" in line:
            writer.write(reply("200 OK", EMPTY_LISTING))
        else:
            writer.write(answer(line, headers.get("range", "")))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield await S3Blobs.open(f"s3://bucket?endpoint=http://127.0.0.1:{port}", KEYS)


@pytest.mark.anyio
async def test_a_busy_store_is_asked_again() -> None:
    seen: list[str] = []

    def answer(line: str, _: str) -> Reply:
        seen.append(line)
        return reply("503 Slow Down") if len(seen) < 3 else reply("200 OK")

    async with store(answer) as blobs:
        assert await blobs.put("abc", b"content") == 7
    assert len(seen) == 3


@pytest.mark.anyio
async def test_a_store_that_stays_busy_is_unavailable() -> None:
    async with store(lambda *_: reply("503 Slow Down")) as blobs:
        with pytest.raises(BackendUnavailable):
            await blobs.size("abc")


@pytest.mark.anyio
async def test_a_bucket_that_is_gone_is_not_an_absent_blob() -> None:
    async with store(lambda *_: reply("404 Not Found", b"<Error><Code>NoSuchBucket</Code></Error>")) as blobs:
        with pytest.raises(BackendUnavailable):
            await blobs.get("abc")
    async with store(lambda *_: reply("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>")) as blobs:
        with pytest.raises(KeyError):
            await blobs.get("abc")


@pytest.mark.anyio
async def test_a_stream_that_breaks_off_goes_on_where_it_was() -> None:
    asked: list[str] = []

    def answer(_: str, wanted: str) -> Reply:
        asked.append(wanted)
        if len(asked) == 1:
            return reply("200 OK", BODY[:50_000], size=len(BODY))
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        return reply("206 Partial Content", BODY[start:], f"Content-Range: bytes {start}-{len(BODY) - 1}/{len(BODY)}")

    async with store(answer) as blobs:
        assert b"".join([piece async for piece in blobs.stream("abc")]) == BODY
    assert len(asked) == 2


def test_an_address_takes_from_the_environment_what_it_leaves_out() -> None:
    environment = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "https://all", "AWS_ENDPOINT_URL_S3": "https://s3/"}
    assert Address.parse("s3://b", {}) == Address(bucket="b", prefix="", endpoint="", region="us-east-1")
    assert Address.parse("s3://b/a/c/", environment) == Address(
        bucket="b", prefix="a/c", endpoint="https://s3", region="eu-west-1"
    )
    assert Address.parse("s3://b?endpoint=http://h:1/&region=x", environment) == Address(
        bucket="b", prefix="", endpoint="http://h:1", region="x"
    )


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError("error: status code: 403 Forbidden: <Code>SignatureDoesNotMatch</Code>"), "AWS_SECRET_ACCESS_KEY"),
        (OSError("error: status code: 403 Forbidden: <Code>AccessDenied</Code>"), "put, delete and list"),
        (OSError("error: status code: 301 Moved: <Code>PermanentRedirect</Code>"), "region"),
        (OSError("error: status code: 404 Not Found: <Code>NoSuchBucket</Code>"), "create it"),
        (OSError("error: status code: 507 Insufficient Storage"), "507"),
        (OSError("PUT http://169.254.169.254/latest/api/token: error sending request"), "no credentials"),
        (OSError("error sending request"), "cannot be reached"),
        (TimeoutError(), "no credentials"),
    ],
)
def test_a_refusal_says_what_to_do(error: Exception, hint: str) -> None:
    address = Address.parse("s3://bucket", {})
    message = refusal(error, address, {})
    assert hint in message
    assert "\n" not in message
