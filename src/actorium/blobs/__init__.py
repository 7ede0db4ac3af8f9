"""The blob port: bytes by key, whole or not at all. Keys are random and never overwritten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Blobs(Protocol):
    """Bytes by key. Absent is ``KeyError``; a store that cannot answer raises ``BackendUnavailable``.

    A key is 2 to 200 of ``[a-z0-9._-]``, the first two without a dot; others are a ``ValueError``.
    """

    async def put(self, key: str, content: bytes | AsyncIterator[bytes], /) -> int:
        """Store whole or not at all; returns the size in bytes once it is synced.

        A streamed body is never held whole; what its iterator raises reaches the caller, and nothing is stored.
        """
        ...

    async def get(self, key: str, /, *, start: int = 0, end: int | None = None) -> bytes:
        """The bytes in [start, end), the end cut to the size."""
        ...

    def stream(self, key: str, /, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces of bounded size."""
        ...

    async def size(self, key: str, /) -> int:
        """How many bytes are stored under the key."""
        ...

    async def delete(self, key: str, /) -> None:
        """Forget the key; absent is success."""
        ...

    def keys(self, prefix: str = "", /) -> AsyncIterator[str]:
        """Every key with the prefix, in byte order."""
        ...

    def sizes(self, prefix: str = "", /) -> AsyncIterator[tuple[str, int]]:
        """The same, each with its size in bytes, for the price of a listing."""
        ...

    async def close(self) -> None:
        """Finish what is being written."""
        ...
