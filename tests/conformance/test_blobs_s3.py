"""Blobs in S3, on a private server that checks signatures."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import s3_server
from actorium.blobs.s3 import PROBE, S3Blobs
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import BLOB_PIECE_BYTES, S3_PART_BYTES
from actorium.testing.conformance.blobs import BlobsConformance, listed, pattern, pieces

MEGABYTE = 1024 * 1024
LARGE_BYTES = 100 * MEGABYTE
GROWTH_BYTES_MAX = 32 * MEGABYTE
WAIT_SECS = 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class TestS3Blobs(BlobsConformance):
    pytestmark = [pytest.mark.anyio, pytest.mark.services]

    @pytest.fixture
    async def empty(self, s3: s3_server.Server) -> S3Blobs:
        return await S3Blobs.open(s3.url, s3.environment)

    @pytest.mark.parametrize("size", [S3_PART_BYTES - 1, S3_PART_BYTES, 2 * S3_PART_BYTES + 7])
    async def test_parts_make_one_object(self, blobs: S3Blobs, s3: s3_server.Server, size: int) -> None:
        content = pattern(size)
        assert await blobs.put("streamed", pieces(content, of=300_000)) == size
        assert await blobs.get("streamed") == content
        assert s3.unfinished() == []

    async def test_a_stream_that_fails_leaves_no_parts(self, blobs: S3Blobs, s3: s3_server.Server) -> None:
        async def broken() -> AsyncIterator[bytes]:
            for _ in range(3 * S3_PART_BYTES // MEGABYTE):
                yield bytes(MEGABYTE)
            raise ConnectionResetError("the client has gone")

        with pytest.raises(ConnectionResetError):
            await blobs.put("broken", broken())
        assert s3.unfinished() == []
        assert await listed(blobs) == []

    async def test_a_caller_that_leaves_leaves_no_parts(self, blobs: S3Blobs, s3: s3_server.Server) -> None:
        asked = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(2 * S3_PART_BYTES // MEGABYTE):
                yield bytes(MEGABYTE)
            asked.set()
            await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(blobs.put("left", endless()))
            await asyncio.wait_for(asked.wait(), WAIT_SECS)
            task.cancel()
        assert task.cancelled()
        assert s3.unfinished() == []
        assert await listed(blobs) == []

    async def test_a_large_blob_is_never_held_whole(self, blobs: S3Blobs) -> None:
        peak = 0

        async def body(size: int) -> AsyncIterator[bytes]:
            nonlocal peak
            piece = bytes(range(256)) * (BLOB_PIECE_BYTES // 256)
            for _ in range(size // len(piece)):
                yield piece
                peak = max(peak, resident_bytes())

        await blobs.put("warm", body(4 * S3_PART_BYTES))
        gc.collect()
        before = peak = resident_bytes()
        assert await blobs.put("large", body(LARGE_BYTES)) == LARGE_BYTES
        assert peak - before < GROWTH_BYTES_MAX
        size = 0
        async for piece in blobs.stream("large"):
            size += len(piece)
            peak = max(peak, resident_bytes())
        assert size == LARGE_BYTES
        assert peak - before < GROWTH_BYTES_MAX

    async def test_folders_of_one_bucket_are_apart(self, blobs: S3Blobs, s3: s3_server.Server) -> None:
        other = await S3Blobs.open(s3.url.replace("?", "-other?"), s3.environment)
        await blobs.put("ours", b"1")
        await other.put("theirs", b"2")
        assert (await listed(blobs), await listed(other)) == (["ours"], ["theirs"])

    async def test_opening_leaves_nothing(self, blobs: S3Blobs, s3: s3_server.Server) -> None:
        await S3Blobs.open(s3.url, s3.environment, only_reading=True)
        assert f"<Key>{s3.folder}/{PROBE}" not in s3.listing()


pytestmark = [pytest.mark.anyio, pytest.mark.services]


async def refused(url: str, environment: dict[str, str]) -> str:
    with pytest.raises(BackendUnavailable) as caught:
        await S3Blobs.open(url, environment)
    assert "\n" not in caught.value.message
    assert environment["AWS_SECRET_ACCESS_KEY"] not in caught.value.message
    return caught.value.message


async def test_what_cannot_be_opened_says_what_to_do(s3: s3_server.Server) -> None:
    assert "AWS_SECRET_ACCESS_KEY" in await refused(s3.url, s3.environment | {"AWS_SECRET_ACCESS_KEY": "another"})
    assert "AWS_ACCESS_KEY_ID" in await refused(s3.url, s3.environment | {"AWS_ACCESS_KEY_ID": "nobody"})
    absent = s3.url.replace(s3_server.BUCKET, "no-such-bucket")
    assert "There is no bucket no-such-bucket" in await refused(absent, s3.environment)
    closed = s3.url.replace(s3.endpoint, "http://127.0.0.1:1")
    assert "http://127.0.0.1:1 cannot be reached" in await refused(closed, s3.environment)


async def test_a_store_that_went_away_is_unavailable(tmp_path: Path) -> None:
    server = s3_server.start(tmp_path)
    try:
        blobs = await S3Blobs.open(f"s3://{s3_server.BUCKET}?endpoint={server.endpoint}", server.environment)
        await blobs.put("here", b"x")
    finally:
        server.stop()
    for call in (blobs.get("here"), blobs.size("here"), blobs.put("new", b"x"), blobs.delete("here")):
        with pytest.raises(BackendUnavailable):
            await call
    with pytest.raises(BackendUnavailable):
        await blobs.put("streamed", pieces(bytes(4 * S3_PART_BYTES), of=MEGABYTE))
    with pytest.raises(BackendUnavailable):
        await listed(blobs)
