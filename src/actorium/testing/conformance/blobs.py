"""What every blob store must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from actorium.blobs import Blobs
from actorium.kernel.store_limits import BLOB_DIRECT_BYTES, BLOB_KEY_CHARS_MAX, BLOB_PIECE_BYTES

WAIT_SECS = 20
SIZES = [0, 1, 1000, BLOB_DIRECT_BYTES, BLOB_DIRECT_BYTES + 1, BLOB_PIECE_BYTES, 3 * BLOB_PIECE_BYTES + 7]
BAD_KEYS = [
    *("", "a", "..", ".hidden", "a.", "../../etc/passwd", "/etc/passwd", "ab/cd", "ab\\cd", "ab\0cd", "ab cd", "Abcd"),
    *("abc\n", "ab:cd", "é-é", "a" * (BLOB_KEY_CHARS_MAX + 1)),
]


def pattern(size: int) -> bytes:
    """Bytes that differ from place to place, so that a wrong range shows."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


async def pieces(content: bytes, *, of: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), of):
        yield content[start : start + of]


async def listed(blobs: Blobs, prefix: str = "") -> list[str]:
    return [key async for key in blobs.keys(prefix)]


class BlobsConformance:
    """Give the fixture ``empty``: an open store with nothing in it."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def empty(self) -> Blobs:
        raise NotImplementedError

    @pytest.fixture
    async def blobs(self, empty: Blobs) -> AsyncIterator[Blobs]:
        yield empty
        await empty.close()

    @pytest.mark.parametrize("size", SIZES)
    async def test_what_is_put_comes_back(self, blobs: Blobs, size: int) -> None:
        content = pattern(size)
        assert await blobs.put("whole-1", content) == size
        assert await blobs.put("streamed-1", pieces(content, of=100_000)) == size
        for key in ["whole-1", "streamed-1"]:
            assert await blobs.size(key) == size
            assert await blobs.get(key) == content
            found = [piece async for piece in blobs.stream(key)]
            assert b"".join(found) == content
            assert all(0 < len(piece) <= BLOB_PIECE_BYTES for piece in found)

    @pytest.mark.parametrize(
        ("start", "end"), [(0, 0), (0, 1), (5, 9), (9, 5), (7, None), (999_999, None), (0, 10**12), (10**12, None)]
    )
    async def test_a_range_is_cut_to_the_size(self, blobs: Blobs, start: int, end: int | None) -> None:
        content = pattern(1_000_000)
        await blobs.put("ranged", content)
        expected = content[start:end]
        assert await blobs.get("ranged", start=start, end=end) == expected
        assert b"".join([piece async for piece in blobs.stream("ranged", start=start, end=end)]) == expected

    @pytest.mark.parametrize(("start", "end"), [(-1, None), (0, -1)])
    async def test_a_negative_range_is_an_error(self, blobs: Blobs, start: int, end: int | None) -> None:
        await blobs.put("ranged", b"abc")
        with pytest.raises(ValueError, match="range"):
            await blobs.get("ranged", start=start, end=end)

    async def test_absent_is_a_key_error(self, blobs: Blobs) -> None:
        with pytest.raises(KeyError):
            await blobs.get("absent")
        with pytest.raises(KeyError):
            await blobs.size("absent")
        with pytest.raises(KeyError):
            await anext(blobs.stream("absent"))

    async def test_delete_forgets_and_absent_is_success(self, blobs: Blobs) -> None:
        await blobs.put("gone", b"x")
        await blobs.delete("gone")
        await blobs.delete("gone")
        with pytest.raises(KeyError):
            await blobs.get("gone")
        assert await listed(blobs) == []

    @pytest.mark.parametrize("key", BAD_KEYS)
    async def test_a_key_that_is_none_is_refused(self, blobs: Blobs, key: str) -> None:
        with pytest.raises(ValueError, match="not a blob key"):
            await blobs.put(key, b"x")
        for call in (blobs.get, blobs.size, blobs.delete):
            with pytest.raises(ValueError, match="not a blob key"):
                await call(key)
        assert await listed(blobs) == []

    async def test_keys_come_in_byte_order_by_prefix(self, blobs: Blobs) -> None:
        keys = ["ab", "ab-1", "ab.1", "ab_1", "abc", "a0", "b1", "z-", "00", "9z", "k" * BLOB_KEY_CHARS_MAX]
        for key in keys:
            await blobs.put(key, b"x")
        assert await listed(blobs) == sorted(keys)
        for prefix in ["a", "ab", "ab-", "z", "nothing", "../"]:
            assert await listed(blobs, prefix) == sorted(key for key in keys if key.startswith(prefix))

    async def test_sizes_come_with_the_keys(self, blobs: Blobs) -> None:
        sizes = {"aa": 0, "ab": 1, "ab-1": BLOB_PIECE_BYTES + 1, "b0": 2}
        for key, size in sizes.items():
            await blobs.put(key, pattern(size))
        assert [found async for found in blobs.sizes()] == [*sizes.items()]
        assert [found async for found in blobs.sizes("ab")] == [("ab", 1), ("ab-1", BLOB_PIECE_BYTES + 1)]

    async def test_a_stream_that_fails_stores_nothing(self, blobs: Blobs) -> None:
        async def broken() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield bytes(BLOB_PIECE_BYTES)
            raise ConnectionResetError("the client has gone")

        with pytest.raises(ConnectionResetError):
            await blobs.put("broken", broken())
        with pytest.raises(KeyError):
            await blobs.get("broken")
        assert await listed(blobs) == []

    async def test_a_caller_that_leaves_stores_nothing(self, blobs: Blobs) -> None:
        asked = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield bytes(2 * BLOB_PIECE_BYTES)
            asked.set()
            await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(blobs.put("left", endless()))
            await asyncio.wait_for(asked.wait(), WAIT_SECS)
            task.cancel()
        assert task.cancelled()
        assert await listed(blobs) == []

    async def test_many_at_once(self, blobs: Blobs) -> None:
        keys = [f"{number:03}" for number in range(100)]
        await asyncio.gather(*(blobs.put(key, key.encode()) for key in keys))
        assert await asyncio.gather(*(blobs.get(key) for key in keys)) == [key.encode() for key in keys]
        assert await listed(blobs) == keys
