"""Blobs in memory, for unit tests and the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator

from actorium.blobs.keys import checked, cut
from actorium.kernel.store_limits import BLOB_PIECE_BYTES


class MemoryBlobs:
    """Blobs that end with this object."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    async def put(self, key: str, content: bytes | AsyncIterator[bytes], /) -> int:
        """Store under the key; a stream that fails stores nothing."""
        checked(key)
        body = content if isinstance(content, bytes) else b"".join([piece async for piece in content])
        self._blobs[key] = body
        return len(body)

    async def get(self, key: str, /, *, start: int = 0, end: int | None = None) -> bytes:
        body = self._blobs[checked(key)]
        start, end = cut(len(body), start=start, end=end)
        return body[start:end]

    async def stream(self, key: str, /, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        body = await self.get(key, start=start, end=end)
        for offset in range(0, len(body), BLOB_PIECE_BYTES):
            yield body[offset : offset + BLOB_PIECE_BYTES]

    async def size(self, key: str, /) -> int:
        return len(self._blobs[checked(key)])

    async def delete(self, key: str, /) -> None:
        self._blobs.pop(checked(key), None)

    async def keys(self, prefix: str = "", /) -> AsyncIterator[str]:
        for key in sorted(self._blobs):
            if key.startswith(prefix):
                yield key

    async def sizes(self, prefix: str = "", /) -> AsyncIterator[tuple[str, int]]:
        async for key in self.keys(prefix):
            yield key, len(self._blobs[key])

    async def close(self) -> None: ...
