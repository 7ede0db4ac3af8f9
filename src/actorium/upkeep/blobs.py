"""Moving blobs from one store to another, many at once in bounded memory, and comparing every byte of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from actorium.blobs import Blobs
from actorium.kernel.errors import Unavailable
from actorium.kernel.store_limits import COPY_BLOB_SHARES, COPY_LARGE_BLOB_SHARES, S3_PART_BYTES
from actorium.upkeep.digest import Digest

Pair = tuple[str, int | None, int | None]
"""A key, and the size under it here and there; None: not there."""


async def pairs(source: Blobs, target: Blobs) -> AsyncIterator[Pair]:
    """Every key of one or the other, in byte order."""
    here, there = aiter(source.sizes()), aiter(target.sizes())
    one, other = await anext(here, None), await anext(there, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield one[0], one[1], None
            one = await anext(here, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other[1]
            other = await anext(there, None)
        else:
            yield one[0], one[1], other[1]
            one, other = await anext(here, None), await anext(there, None)


@dataclass(slots=True)
class BlobCopy:
    """One pass over both stores. What is read back from the target is what counts as being there."""

    source: Blobs
    target: Blobs
    found: Digest = field(default_factory=Digest)
    arrived: Digest = field(default_factory=Digest)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(COPY_BLOB_SHARES))

    async def run(self, *, copies: bool) -> None:
        """Compare every blob, with ``copies`` after it was brought over; then what only the target has is deleted."""
        try:
            async with asyncio.TaskGroup() as tasks:
                async for key, size, there in pairs(self.source, self.target):
                    shares = COPY_LARGE_BLOB_SHARES if max(size or 0, there or 0) > S3_PART_BYTES else 1
                    for _ in range(shares):
                        await self._room.acquire()
                    tasks.create_task(self._one(key, size, there, shares, copies=copies))
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors

    async def _one(self, key: str, size: int | None, there: int | None, shares: int, *, copies: bool) -> None:
        try:
            if size is None:
                await self._extra(key, copies=copies)
            else:
                await self._both(key, is_new=size != there, copies=copies)
        except KeyError as error:
            raise Unavailable(
                f"The blob {key} went away meanwhile. Stop whoever uses the source, then copy."
            ) from error
        finally:
            for _ in range(shares):
                self._room.release()

    async def _both(self, key: str, *, is_new: bool, copies: bool) -> None:
        seen = await self._bring(key) if copies and is_new else await _read(self.source, key)
        arrived = await self._arrived(key)
        if copies and not is_new and arrived != seen:  # something else was under this key
            await self._bring(key)
            arrived = await self._arrived(key)
        _add(self.found, key, seen)
        if arrived is not None:
            _add(self.arrived, key, arrived)

    async def _arrived(self, key: str) -> _Content | None:
        try:
            return await _read(self.target, key)
        except KeyError:
            return None

    async def _extra(self, key: str, *, copies: bool) -> None:
        if copies:
            await self.target.delete(key)
        else:
            _add(self.arrived, key, await _read(self.target, key))

    async def _bring(self, key: str) -> _Content:
        seen = _Content()
        await self.target.put(key, _passing(self.source.stream(key), seen))
        return seen


@dataclass(slots=True)
class _Content:
    """What went by: its size and its SHA-256."""

    size: int = 0
    sha256: bytes = b""


async def _read(blobs: Blobs, key: str) -> _Content:
    """Read a blob to its end."""
    seen = _Content()
    async for _ in _passing(blobs.stream(key), seen):
        pass
    return seen


async def _passing(pieces: AsyncIterator[bytes], seen: _Content) -> AsyncIterator[bytes]:
    sha256 = hashlib.sha256()
    async for piece in pieces:
        sha256.update(piece)
        seen.size += len(piece)
        yield piece
    seen.sha256 = sha256.digest()


def _add(digest: Digest, key: str, content: _Content) -> None:
    digest.add([key, content.size, content.sha256], size=content.size)


def _first(error: BaseException) -> BaseException:
    """One of several errors that came at once: they have one cause."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
