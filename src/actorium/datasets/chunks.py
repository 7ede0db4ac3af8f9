"""Reading a range of items, forwards or backwards, in blocks of bounded size whatever the dataset's.

No snapshot is held: each step finds its place by the number of the next item. Chunks may grow together meanwhile; a
blob that is gone by then is found again in the chunk that took its items in.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing
from functools import partial

from actorium.blobs import Blobs
from actorium.database import Database
from actorium.datasets import places, store
from actorium.datasets.segments import store as segments
from actorium.datasets.segments.columns import Column, columns_of
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

    async def blocks(self, dataset_id: str, *, start: int, end: int, desc: bool) -> AsyncGenerator[bytes, None]:
        """Items [start, end), the last one first if ``desc``. Items appended meanwhile do not matter.

        Raises DatasetCutShort.
        """
        find = store.read_backward if desc else store.read_forward
        missing: str | None = None
        while start < end:
            chunks = await self._database.read(partial(find, dataset_id=dataset_id, start=start, end=end))
            if not chunks:
                raise DatasetCutShort
            for chunk in chunks:
                first, last = max(start, chunk.first) - chunk.first, min(end, chunk.end) - chunk.first
                try:
                    async with aclosing(self._chunk(chunk, first, last, desc=desc)) as blocks:
                        async for block in blocks:
                            count = block.count(b"\n") + 1
                            start, end = (start, end - count) if desc else (start + count, end)
                            yield block
                except KeyError:
                    if chunk.blob_key == missing:
                        raise DatasetCutShort from None
                    missing = chunk.blob_key  # merged a moment ago: look again where its items are

    async def columns(self, dataset_id: str, *, start: int, end: int) -> AsyncGenerator[list[Column] | bytes, None]:
        """What is needed to know the columns of items [start, end), always from the first to the last.

        A list of columns, in the order of their first appearance and complete, stands for a whole stretch of items;
        bytes are a block of items to be scanned, as ``blocks`` gives them. The columns are those of the items as they
        are stored. A list that is the same as the last one is left out. Raises DatasetCutShort.
        """
        last: str | None = None
        async for found in self._summarised(segments.column_names, dataset_id, start=start, end=end):
            if isinstance(found, bytes):
                yield found
            elif found != last:
                last = found
                yield columns_of(found)

    async def field_statistics(self, dataset_id: str, *, start: int, end: int) -> AsyncGenerator[str | bytes, None]:
        """What segments say of the statistics of their fields, and blocks of items of which nothing is said."""
        async for found in self._summarised(segments.field_statistics, dataset_id, start=start, end=end):
            yield found

    async def _summarised(
        self, find: Callable[..., list[segments.Summary]], dataset_id: str, *, start: int, end: int
    ) -> AsyncGenerator[str | bytes, None]:
        """Texts of the chunks that lie within [start, end) and have one; blocks of all other items."""
        while start < end:
            summaries = await self._database.read(partial(find, dataset_id=dataset_id, start=start, end=end))
            if not summaries or not summaries[0].first <= start < summaries[0].end:
                raise DatasetCutShort
            await _Turn()
            scan_to = start
            for summary in summaries:
                if summary.text is None or summary.first < start or summary.end > end:
                    scan_to = min(summary.end, end)
                    continue
                async for block in self.blocks(dataset_id, start=start, end=scan_to, desc=False):
                    yield block
                yield summary.text
                start = scan_to = summary.end
            async for block in self.blocks(dataset_id, start=start, end=scan_to, desc=False):
                yield block
            start = scan_to

    def _chunk(self, chunk: Chunk, first: int, last: int, *, desc: bool) -> AsyncGenerator[bytes, None]:
        """Items [first, last) of one chunk, counted from its own first. Raises KeyError if its blob is gone."""
        if chunk.payload is not None:
            return _inline(chunk.payload, chunk.count, first=first, last=last, desc=desc)
        return self._backward(chunk, first, last) if desc else self._forward(chunk, first, last)

    async def _forward(self, chunk: Chunk, first: int, last: int) -> AsyncGenerator[bytes, None]:
        item, begin = _before(chunk, first)
        _, stop = _after(chunk, last - 1)
        skip, left = first - item, last - first
        async with aclosing(self._lines(chunk.blob_key or "", begin, stop)) as blocks:
            async for lines in blocks:
                block, count = lines, lines.count(b"\n") + 1
                if skip >= count:
                    skip -= count
                    continue
                if skip or count > left:
                    items = block.split(b"\n", skip + left)[skip : skip + left]
                    block, count, skip = b"\n".join(items), len(items), 0
                left -= count
                yield block
                if left == 0:
                    return

    async def _lines(self, key: str, begin: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Bytes of a blob in blocks that end where an item ends."""
        if stop - begin <= DATASET_BLOCK_BYTES:
            yield await self._blobs.get(key, start=begin, end=stop)
            return
        rest = b""
        pieces = self._blobs.stream(key, start=begin, end=stop)
        try:
            async for piece in pieces:
                text = rest + piece
                cut = text.rfind(b"\n")
                if cut < 0:
                    rest = text
                else:
                    yield text[:cut]
                    rest = text[cut + 1 :]
            yield rest
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    async def _backward(self, chunk: Chunk, first: int, last: int) -> AsyncGenerator[bytes, None]:
        while first < last:
            item, begin = max(_before(chunk, first), _back(chunk, last - 1))
            _, stop = _after(chunk, last - 1)
            text = await self._blobs.get(chunk.blob_key or "", start=begin, end=stop)
            lines = text.split(b"\n")[max(first - item, 0) : last - item]
            lines.reverse()
            for block in _grouped(lines):
                yield block
            last = max(first, item)


class _Turn:
    """One turn of the event loop: reading a database in this process never waits."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def _before(chunk: Chunk, item: int) -> tuple[int, int]:
    return places.before(chunk.places, item) if chunk.places else (0, 0)


def _after(chunk: Chunk, item: int) -> tuple[int, int]:
    if not chunk.places:
        return chunk.count, chunk.size
    return places.after(chunk.places, item, count=chunk.count, size=chunk.size)


def _back(chunk: Chunk, item: int) -> tuple[int, int]:
    if not chunk.places:
        return 0, 0
    return places.back(chunk.places, item, size=chunk.size, reach=DATASET_BLOCK_BYTES)


async def _inline(payload: bytes, count: int, *, first: int, last: int, desc: bool) -> AsyncGenerator[bytes, None]:
    if not desc and last - first == count:
        for block in _cut_whole(payload):
            yield block
        return
    lines = payload.split(b"\n")[first:last]
    if desc:
        lines.reverse()
    for block in _grouped(lines):
        yield block


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
