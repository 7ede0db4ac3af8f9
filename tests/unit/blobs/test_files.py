"""What only files can get wrong: leftovers, full disks, memory."""

from __future__ import annotations

import asyncio
import resource
import stat
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actorium.blobs.files import FileBlobs
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import BLOB_PIECE_BYTES

pytestmark = pytest.mark.anyio


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FileBlobs]:
    blobs = await FileBlobs.open(tmp_path / "blobs")
    yield blobs
    await blobs.close()


async def repeated(piece: bytes, times: int) -> AsyncIterator[bytes]:
    for _ in range(times):
        yield piece


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A disk that is full sooner: the system itself refuses to write further."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_blob_is_a_private_file_in_its_folders(blobs: FileBlobs, tmp_path: Path) -> None:
    await blobs.put("abc", b"x")
    assert files(tmp_path / "blobs") == ["a/b/abc"]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "blobs").rglob("*")}
    assert modes == {0o600, 0o700}


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_full_disk_leaves_nothing_behind(blobs: FileBlobs, tmp_path: Path, streamed: bool) -> None:
    content = bytes(3 * BLOB_PIECE_BYTES)
    with files_no_larger_than(2 * BLOB_PIECE_BYTES), pytest.raises(BackendUnavailable):
        await blobs.put("full", repeated(content, 1) if streamed else content)
    assert files(tmp_path / "blobs") == []
    assert await blobs.put("full", content) == len(content)


async def test_a_folder_that_has_gone_is_an_unavailable_store(blobs: FileBlobs, tmp_path: Path) -> None:
    (tmp_path / "blobs").rename(tmp_path / "moved")
    with pytest.raises(BackendUnavailable):
        await blobs.put("abc", b"x")
    with pytest.raises(BackendUnavailable):
        await anext(blobs.keys())


async def test_a_file_where_the_folder_should_be_is_an_unavailable_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendUnavailable):
        await FileBlobs.open(tmp_path / "file")


async def test_leftovers_of_a_crash_are_cleared(blobs: FileBlobs, tmp_path: Path) -> None:
    await blobs.put("abc", b"x")
    (tmp_path / "blobs" / "incoming" / "17").write_bytes(b"half")
    again = await FileBlobs.open(tmp_path / "blobs")
    assert files(tmp_path / "blobs") == ["a/b/abc"]
    await again.close()


async def test_callers_that_leave_at_any_moment_leave_no_file(blobs: FileBlobs, tmp_path: Path) -> None:
    for moment in range(12):
        task = asyncio.ensure_future(blobs.put(f"left-{moment}", repeated(bytes(BLOB_PIECE_BYTES), 4)))
        for _ in range(moment):
            await asyncio.wait([task], timeout=0.0002)
        task.cancel()
        await asyncio.wait([task])
    await blobs.close()  # threads that were still at it have finished
    assert files(tmp_path / "blobs" / "incoming") == []
    for name in files(tmp_path / "blobs"):
        assert (tmp_path / "blobs" / name).stat().st_size == 4 * BLOB_PIECE_BYTES


async def test_a_stream_is_never_held_whole(blobs: FileBlobs) -> None:
    size = 64 * 1024 * 1024
    piece = bytes(65_536)
    tracemalloc.start()
    try:
        assert await blobs.put("long", repeated(piece, size // len(piece))) == size
        total = 0
        async for part in blobs.stream("long"):
            total += len(part)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < 8 * BLOB_PIECE_BYTES


async def test_a_blob_deleted_meanwhile_is_read_to_its_end(blobs: FileBlobs) -> None:
    content = bytes(3 * BLOB_PIECE_BYTES)
    await blobs.put("abc", content)
    pieces = blobs.stream("abc")
    first = await anext(pieces)
    await blobs.delete("abc")
    assert first + b"".join([piece async for piece in pieces]) == content
