"""A store's records as one ZIP file, made while it is sent: memory is bounded whatever the store's size."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

from actorium.database import Database
from actorium.kernel.clock import Clock
from actorium.kernel.limits import ZIP_PIECE_BYTES
from actorium.key_value_stores import store
from actorium.key_value_stores.collections import Selection
from actorium.key_value_stores.content import streamed
from actorium.key_value_stores.errors import RecordNotFound
from actorium.key_value_stores.reading import Content, Reading
from actorium.key_value_stores.record import Record
from actorium.key_value_stores.zip_format import ZipFile

_FOLDERS = {".": "%2E", "..": "%2E%2E"}
"""Keys that would be folders where the file is unpacked. No other key is like these: keys have no per cent sign."""


class Archive:
    """Packs the records of a store, each as it is when its turn comes: whole, or not at all if it is gone by then."""

    def __init__(self, *, database: Database, reading: Reading, clock: Clock) -> None:
        self._database = database
        self._reading = reading
        self._clock = clock

    async def packed(self, store_id: str, selection: Selection | None) -> AsyncGenerator[bytes, None]:
        """The bytes of the file, in pieces of bounded size."""
        zip_file = ZipFile()
        try:
            async with aclosing(self._entries(zip_file, store_id, selection)) as pieces:
                async for piece in _grouped(pieces):
                    yield piece
            for piece in zip_file.finish():
                yield piece
        finally:
            zip_file.close()

    async def _entries(
        self, zip_file: ZipFile, store_id: str, selection: Selection | None
    ) -> AsyncGenerator[bytes, None]:
        after, is_last = "", selection is None
        while not is_last and selection is not None:
            batch = await self._database.read(
                partial(store.batch, store_id=store_id, after=after, prefix=selection.prefix)
            )
            for key, record in batch.records:
                if selection.is_exact and key != selection.prefix:
                    return
                content = await self._content(store_id, key, record)
                if content is not None:
                    yield zip_file.begin(_FOLDERS.get(key, key), content.record.modified_at)
                    async with aclosing(streamed(content.plain())) as pieces:
                        async for piece in pieces:
                            yield zip_file.add(piece)
                    yield zip_file.end()
                after = key
            is_last = batch.is_last
            await self._clock.sleep(0)  # reading may never wait by itself, and others have to have their turn

    async def _content(self, store_id: str, key: str, record: Record) -> Content | None:
        found = await self._reading.content(store_id, record)
        if found is not None:
            return found
        try:
            return await self._reading.of_server(store_id, key)
        except RecordNotFound:
            return None


async def _grouped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces."""
    held: list[bytes] = []
    size = 0
    async for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= ZIP_PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)
