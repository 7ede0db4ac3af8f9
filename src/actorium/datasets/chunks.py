"""Reading a range of items, forwards or backwards, in blocks of bounded size whatever the dataset's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial

from actorium.blobs import Blobs
from actorium.database import Database
from actorium.datasets import store
from actorium.datasets.store import Chunk
from actorium.kernel.errors import Unavailable
from actorium.kernel.limits import DATASET_BLOCK_BYTES


class DatasetCutShort(Unavailable):
    """The dataset was deleted while it was read."""


class Reader:
    """Blocks of items: JSON texts joined by newlines."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def blocks(self, dataset_id: str, *, start: int, end: int, desc: bool) -> AsyncIterator[bytes]:
        """Items [start, end), the last one first if ``desc``. Items appended meanwhile do not matter."""
        while start < end:
            read = partial(
                store.read_backward if desc else store.read_forward, dataset_id=dataset_id, start=start, end=end
            )
            chunks = await self._database.read(read)
            if not chunks:
                raise DatasetCutShort
            for chunk in chunks:
                payload = await self._payload(chunk)
                first, last = max(start, chunk.first), min(end, chunk.end)
                for block in _cut(payload, chunk, first=first, last=last, desc=desc):
                    yield block
            if desc:
                end = chunks[-1].first
            else:
                start = chunks[-1].end

    async def _payload(self, chunk: Chunk) -> bytes:
        if chunk.payload is not None:
            return chunk.payload
        try:
            return await self._blobs.get(chunk.blob_key or "")
        except KeyError:
            raise DatasetCutShort from None


def _cut(payload: bytes, chunk: Chunk, *, first: int, last: int, desc: bool) -> Iterator[bytes]:
    """Items [first, last) of a chunk in blocks."""
    if not desc and last - first == chunk.count:
        yield from _cut_whole(payload)
        return
    lines = payload.split(b"\n")[first - chunk.first : last - chunk.first]
    if desc:
        lines.reverse()
    yield from _grouped(lines)


def _cut_whole(payload: bytes) -> Iterator[bytes]:
    position = 0
    while len(payload) - position > DATASET_BLOCK_BYTES:
        newline = payload.find(b"\n", position + DATASET_BLOCK_BYTES)
        if newline < 0:
            break
        yield payload[position:newline]
        position = newline + 1
    yield payload[position:] if position else payload


def _grouped(lines: list[bytes]) -> Iterator[bytes]:
    group: list[bytes] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line)
        if size >= DATASET_BLOCK_BYTES:
            yield b"\n".join(group)
            group, size = [], 0
    if group:
        yield b"\n".join(group)
