"""Blobs as files: written aside, synced, renamed, and the folder synced, so that a blob is whole or not there.

A blob ``abc`` is the file ``a/b/abc``, so keys in byte order are folders in byte order. ``incoming`` holds what is
being written; one server owns the folder and clears leftovers of a crash when it opens it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from actorium.blobs.keys import checked, cut
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import BLOB_DIRECT_BYTES, BLOB_PIECE_BYTES, BLOB_THREADS

T = TypeVar("T")


class FileBlobs:
    """Blobs below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._incoming = str(root / "incoming")
        self._names = itertools.count()
        self._threads = ThreadPoolExecutor(BLOB_THREADS, thread_name_prefix="blobs")

    @classmethod
    async def open(cls, root: str | Path, *, only_reading: bool = False) -> FileBlobs:
        """Open the folder, made if absent, readable by its owner alone.

        ``only_reading`` makes and clears nothing: for who looks at the folder of a running server.
        """
        root = Path(root).absolute()
        if only_reading:
            return cls(root)
        with _translated():
            (root / "incoming").mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in (root / "incoming").iterdir():
                leftover.unlink()
        return cls(root)

    async def put(self, key: str, content: bytes | AsyncIterator[bytes], /) -> int:
        """Store whole or not at all. A caller cancelled at the very end may have stored it."""
        path = self._path(key)
        upload = _Upload(f"{self._incoming}/{next(self._names)}")
        if isinstance(content, bytes):
            return await self._run(upload.whole, content, path)
        try:
            return await self._receive(upload, content, path)
        finally:
            upload.forget()

    async def _receive(self, upload: _Upload, content: AsyncIterator[bytes], path: str) -> int:
        pieces: list[bytes] = []
        held = 0
        async for piece in content:
            pieces.append(piece)
            held += len(piece)
            if held >= BLOB_PIECE_BYTES:
                await self._run(upload.write, pieces)
                pieces, held = [], 0
        return await self._run(upload.finish, pieces, path)

    async def get(self, key: str, /, *, start: int = 0, end: int | None = None) -> bytes:
        with _translated(key):
            file, start, end = self._open(key, start=start, end=end)
            if end - start <= BLOB_DIRECT_BYTES:
                return file.read(start, end)
        return await self._run(file.read, start, end)

    async def stream(self, key: str, /, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The file is opened once: a blob deleted meanwhile is still read to its end."""
        with _translated(key):
            file, start, end = self._open(key, start=start, end=end)
        for offset in range(start, end, BLOB_PIECE_BYTES):
            yield await self._run(file.read, offset, min(offset + BLOB_PIECE_BYTES, end))

    async def size(self, key: str, /) -> int:
        with _translated(key):
            return Path(self._path(key)).stat().st_size

    async def delete(self, key: str, /) -> None:
        await self._run(_unlink, self._path(key))

    async def keys(self, prefix: str = "", /) -> AsyncIterator[str]:
        """Folder by folder, so memory is bounded by the largest folder."""
        async for folder in self._folders(prefix):
            for key in await self._run(_names, folder, prefix):
                yield key

    async def sizes(self, prefix: str = "", /) -> AsyncIterator[tuple[str, int]]:
        async for folder in self._folders(prefix):
            for key, size in await self._run(_sized, folder, prefix):
                yield key, size

    async def _folders(self, prefix: str) -> AsyncIterator[str]:
        for first in await self._run(_names, self._root, prefix[:1]):
            if len(first) > 1:
                continue  # incoming
            for second in await self._run(_names, f"{self._root}/{first}", prefix[1:2]):
                yield f"{self._root}/{first}/{second}"

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.to_thread(self._threads.shutdown)

    def _path(self, key: str) -> str:
        checked(key)
        return f"{self._root}/{key[0]}/{key[1]}/{key}"

    def _open(self, key: str, *, start: int, end: int | None) -> tuple[_File, int, int]:
        file = _File(os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC))
        return file, *cut(file.size(), start=start, end=end)

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        with _translated():
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


class _File:
    """An open file, closed when nobody holds it: a cancelled caller may leave while its thread still uses it.

    Only its own methods touch the number, because they hold the object meanwhile.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def __del__(self) -> None:
        os.close(self._number)

    def size(self) -> int:
        return os.fstat(self._number).st_size

    def read(self, start: int, end: int) -> bytes:
        pieces = []
        while start < end:
            piece = os.pread(self._number, end - start, start)
            if not piece:
                raise OSError(f"a blob has become shorter than {end} bytes")
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._number, rest) :]

    def sync(self) -> None:
        os.fsync(self._number)


class _Upload:
    """A file on its way to its name. Each method is one visit to a thread, but ``forget``, which comes at any time."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file: _File | None = None
        self._size = 0
        self._forgotten = False

    def write(self, pieces: list[bytes]) -> _File:
        file = self._file or self._begin()
        for piece in pieces:
            file.write(piece)
            self._size += len(piece)
        return file

    def finish(self, pieces: list[bytes], path: str) -> int:
        """Write the last pieces and give the file its name; the size of the whole."""
        self.write(pieces).sync()
        final = Path(path)
        try:
            self._path.rename(final)
        except FileNotFoundError:
            _make_folders(final)
            self._path.rename(final)
        _sync_folder(final.parent)
        return self._size

    def whole(self, content: bytes, path: str) -> int:
        try:
            return self.finish([content], path)
        finally:
            self.forget()

    def forget(self) -> None:
        """Remove what has not got its name, also while a thread is still at it."""
        self._forgotten = True
        self._file = None
        _unlink(self._path)

    def _begin(self) -> _File:
        file = _File(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        self._file = file
        if self._forgotten:
            self.forget()
        return file


def _make_folders(path: Path) -> None:
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(path: Path) -> None:
    _File(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)).sync()


def _names(folder: str, prefix: str) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.name.startswith(prefix))


def _sized(folder: str, prefix: str) -> list[tuple[str, int]]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    found.append((entry.name, entry.stat().st_size))
    return sorted(found)


def _unlink(path: str | Path) -> None:
    Path(path).unlink(missing_ok=True)


@contextmanager
def _translated(key: str | None = None) -> Iterator[None]:
    """Say what the port says for what the system says: absent is KeyError, everything else is a store that cannot."""
    try:
        yield
    except FileNotFoundError as error:
        if key is None:
            raise BackendUnavailable from error
        raise KeyError(key) from error
    except OSError as error:
        raise BackendUnavailable from error
