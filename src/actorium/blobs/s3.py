"""Blobs in S3-compatible object storage, by obstore. The only file that imports it.

A blob ``abc`` is the object ``PREFIX/abc``. A small one is one request; a streamed one whose end is not in its first
part goes up part by part, and becomes an object when all parts are there. What is given up is aborted, so that no part
stays behind; only a crash in the middle of an upload can leave parts, which a lifecycle rule of the bucket removes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from actorium.blobs.keys import KEY_CHARS, checked, checked_range, is_key, may_begin
from actorium.blobs.s3_address import Address, refusal
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import (
    BLOB_PIECE_BYTES,
    S3_ABORT_SECS,
    S3_CONNECT_SECS,
    S3_KEYS_PER_PAGE,
    S3_PART_BYTES,
    S3_PARTS_IN_FLIGHT,
    S3_REQUEST_SECS,
    S3_RETRIES,
    S3_RETRY_SECS,
    S3_STALL_SECS,
    S3_START_RETRIES,
    S3_START_SECS,
)

if TYPE_CHECKING:  # they exist for type checkers alone
    from obstore.store import ClientConfig, RetryConfig, S3Config

PROBE = ".actorium-start-check"  # no blob's key: they begin with a letter or a digit


class S3Blobs:
    """Blobs in a bucket."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    @classmethod
    async def open(cls, url: str, environment: Mapping[str, str], *, only_reading: bool = False) -> S3Blobs:
        """Open ``s3://BUCKET/PREFIX?endpoint=…&region=…`` with what AWS_* variables give.

        Tries what the server will do with the bucket. Raises BackendUnavailable, with what is wrong and what to do.
        """
        address = Address.parse(url, environment)
        try:
            async with asyncio.timeout(S3_START_SECS):
                await _try(_store(address, environment, retries=S3_START_RETRIES), only_reading=only_reading)
        except (BaseError, OSError, ValueError) as error:
            raise BackendUnavailable(refusal(error, address, environment)) from error
        return cls(_store(address, environment, retries=S3_RETRIES))

    async def put(self, key: str, content: bytes | AsyncIterator[bytes], /) -> int:
        """Store whole or not at all. A caller cancelled at the very end may have stored it."""
        checked(key)
        if isinstance(content, bytes):
            return await self._put_whole(key, content)
        pieces = aiter(content)
        first = bytearray()
        async for piece in pieces:
            first += piece
            if len(first) >= S3_PART_BYTES:
                return await _Upload(self._store, key).run(bytes(first), pieces)
        return await self._put_whole(key, bytes(first))

    async def _put_whole(self, key: str, content: bytes) -> int:
        with _translated(key):
            await obstore.put_async(self._store, key, content, use_multipart=False)
        return len(content)

    async def get(self, key: str, /, *, start: int = 0, end: int | None = None) -> bytes:
        found = await self._found(key, start, end)
        if found is None:
            return b""
        with _translated(key):
            return bytes(await found.bytes_async())

    async def stream(self, key: str, /, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """One request, read as fast as the caller takes it; taken up again where it was if the connection is lost."""
        found = await self._found(key, start, end)
        if found is None:
            return
        stream = found.stream(min_chunk_size=BLOB_PIECE_BYTES // 2)
        while True:
            try:
                with _translated(key):
                    piece = await anext(stream)
            except StopAsyncIteration:
                return
            for offset in range(0, len(piece), BLOB_PIECE_BYTES):
                yield piece[offset : offset + BLOB_PIECE_BYTES]

    async def _found(self, key: str, start: int, end: int | None) -> obstore.GetResult | None:
        """The answer to a request for [start, end); None if the blob is there and nothing of it is within."""
        checked(key)
        checked_range(start, end)
        if end is not None and end <= start:
            await self.size(key)
            return None
        whole = start == 0 and end is None
        try:
            with _translated(key):
                if whole:
                    return await obstore.get_async(self._store, key)
                bounds: Any = {"offset": start} if end is None else (start, end)
                return await obstore.get_async(self._store, key, options={"range": bounds})
        except BackendUnavailable:
            if whole or start < await self.size(key):  # a range beyond the end is an error there
                raise
            return None

    async def size(self, key: str, /) -> int:
        checked(key)
        with _translated(key):
            return (await obstore.head_async(self._store, key))["size"]

    async def delete(self, key: str, /) -> None:
        checked(key)
        with _translated():
            await obstore.delete_async(self._store, key)

    async def keys(self, prefix: str = "", /) -> AsyncIterator[str]:
        async for key, _ in self.sizes(prefix):
            yield key

    async def sizes(self, prefix: str = "", /) -> AsyncIterator[tuple[str, int]]:
        """A thousand keys a request, in the order of S3. A bucket that has another order is an error."""
        if not may_begin(prefix):
            return
        last = ""
        with _translated():
            async for page in obstore.list(self._store, offset=_before(prefix), chunk_size=S3_KEYS_PER_PAGE):
                for found in page:
                    key = found["path"]
                    if not is_key(key):
                        continue  # not ours
                    if key <= last:
                        raise BackendUnavailable("The bucket lists its keys out of order: use one that sorts them.")
                    last = key
                    if key.startswith(prefix):
                        yield key, found["size"]
                    elif key > prefix:
                        return

    async def close(self) -> None:
        """Connections go when nobody holds the store any more."""


class _Upload:
    """A streamed blob on its way. What the caller's iterator raises, and a caller that leaves, abort it."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store = store
        self._key = key
        self._waiting: asyncio.Queue[bytes | _GivenUp | None] = asyncio.Queue(1)
        self._is_over = False

    async def run(self, first: bytes, rest: AsyncIterator[bytes]) -> int:
        """Send everything; its size once the object is there."""
        sending = asyncio.ensure_future(
            obstore.put_async(
                self._store,
                self._key,
                self._pieces(),
                use_multipart=True,
                chunk_size=S3_PART_BYTES,
                max_concurrency=S3_PARTS_IN_FLIGHT,
            )
        )
        sending.add_done_callback(self._ended)
        try:
            size = await self._feed(first, rest)
            with _translated(self._key):
                await asyncio.shield(sending)  # cancelled, obstore would forget the parts instead of aborting them
        except BaseException:
            self._empty()
            self._waiting.put_nowait(_GivenUp())
            await asyncio.wait([sending], timeout=S3_ABORT_SECS)  # beyond that it is aborted behind our back
            raise
        return size

    async def _feed(self, first: bytes, rest: AsyncIterator[bytes]) -> int:
        size = len(first)
        await self._hand_over(first)
        held = bytearray()
        async for piece in rest:
            held += piece
            if len(held) >= BLOB_PIECE_BYTES:
                size += len(held)
                await self._hand_over(bytes(held))
                held.clear()
            if self._is_over:
                return size  # it has failed: awaiting it says how
        await self._hand_over(bytes(held))
        await self._hand_over(None)
        return size + len(held)

    async def _hand_over(self, piece: bytes | None) -> None:
        if not self._is_over:
            await self._waiting.put(piece)

    async def _pieces(self) -> AsyncIterator[bytes]:
        while (piece := await self._waiting.get()) is not None:
            if isinstance(piece, _GivenUp):
                raise piece
            yield piece

    def _ended(self, sending: asyncio.Future[Any]) -> None:
        self._is_over = True
        self._empty()
        if not sending.cancelled():
            sending.exception()  # so that nobody complains that nobody looked

    def _empty(self) -> None:
        """Let go of whoever waits for room."""
        while not self._waiting.empty():
            self._waiting.get_nowait()


class _GivenUp(Exception):
    """The caller has stopped sending."""


async def _try(store: S3Store, *, only_reading: bool) -> None:
    """Do once what the server does all the time."""
    if not only_reading:
        await obstore.put_async(store, PROBE, b"Actorium may write here.", use_multipart=False)
        await obstore.get_async(store, PROBE)
        await obstore.delete_async(store, PROBE)
    async for _ in obstore.list(store, chunk_size=1):
        return


def _store(address: Address, environment: Mapping[str, str], *, retries: int) -> S3Store:
    config: S3Config = {"region": address.region, "disable_bulk_delete": True}  # not every store has bulk deletes
    if address.endpoint:
        config["endpoint"] = address.endpoint
        config["aws_endpoint_url_s3"] = address.endpoint
    if not address.is_plain:
        config["unsigned_payload"] = True  # TLS tells when a body was changed; a checksum would cost a third more
    if key := environment.get("AWS_ACCESS_KEY_ID"):
        config["access_key_id"] = key
    if secret := environment.get("AWS_SECRET_ACCESS_KEY"):
        config["secret_access_key"] = secret
    if token := environment.get("AWS_SESSION_TOKEN"):
        config["session_token"] = token
    client: ClientConfig = {
        "allow_http": address.is_plain,
        "connect_timeout": timedelta(seconds=S3_CONNECT_SECS),
        "read_timeout": timedelta(seconds=S3_STALL_SECS),
        "timeout": timedelta(seconds=S3_REQUEST_SECS),
    }
    retry: RetryConfig = {"max_retries": retries, "retry_timeout": timedelta(seconds=S3_RETRY_SECS)}
    return S3Store(
        address.bucket, prefix=address.prefix or None, config=config, client_options=client, retry_config=retry
    )


def _before(prefix: str) -> str | None:
    """A text that sorts before every key with the prefix and after nearly all that sort before them."""
    place = KEY_CHARS.find(prefix[-1:])
    if place > 0:
        return f"{prefix[:-1]}{KEY_CHARS[place - 1]}{KEY_CHARS[-1]}"
    return prefix[:-1] or None


@contextmanager
def _translated(key: str | None = None) -> Iterator[None]:
    """Say what the port says for what obstore says."""
    try:
        yield
    except FileNotFoundError as error:
        if key is None or "NoSuchBucket" in str(error):
            raise BackendUnavailable from error
        raise KeyError(key) from error
    except (BaseError, OSError) as error:
        raise BackendUnavailable from error
