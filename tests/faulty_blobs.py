"""A blob store that can be told to be slow or to fail: between the services and a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from actorium.blobs import Blobs
from actorium.kernel.errors import BackendUnavailable


class FaultyBlobs:
    """Passes everything on, but waits while ``slow`` and refuses while ``broken``.

    ``half`` breaks after the inner store has done its part: done, but nobody is told.
    """

    def __init__(self, inner: Blobs) -> None:
        self.inner = inner
        self.broken = False
        self.half = False
        self.waiting = 0
        self._gate = asyncio.Event()
        self._gate.set()
        self._arrived = asyncio.Event()

    def slow_down(self) -> None:
        """Let every later call wait until ``speed_up``."""
        self._gate.clear()
        self._arrived.clear()

    def speed_up(self) -> None:
        self._gate.set()

    async def arrival(self) -> None:
        """Wait until a call waits."""
        await self._arrived.wait()

    async def put(self, key: str, content: bytes | AsyncIterator[bytes], /) -> int:
        await self._pass()
        size = await self.inner.put(key, content)
        self._half()
        return size

    async def get(self, key: str, /, *, start: int = 0, end: int | None = None) -> bytes:
        await self._pass()
        return await self.inner.get(key, start=start, end=end)

    async def stream(self, key: str, /, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        await self._pass()
        async for piece in self.inner.stream(key, start=start, end=end):
            yield piece

    async def size(self, key: str, /) -> int:
        await self._pass()
        return await self.inner.size(key)

    async def delete(self, key: str, /) -> None:
        await self._pass()
        await self.inner.delete(key)
        self._half()

    async def keys(self, prefix: str = "", /) -> AsyncIterator[str]:
        await self._pass()
        async for key in self.inner.keys(prefix):
            yield key

    async def sizes(self, prefix: str = "", /) -> AsyncIterator[tuple[str, int]]:
        await self._pass()
        async for key, size in self.inner.sizes(prefix):
            yield key, size

    async def close(self) -> None:
        await self.inner.close()

    async def _pass(self) -> None:
        if not self._gate.is_set():
            self.waiting += 1
            self._arrived.set()
            await self._gate.wait()
            self.waiting -= 1
        if self.broken:
            raise BackendUnavailable

    def _half(self) -> None:
        if self.half:
            raise BackendUnavailable
