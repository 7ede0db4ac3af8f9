"""Archives: zip, tar.gz or tar, told apart by what is in them and read without ever writing one of their names to disk.

Nothing in an archive is believed: sizes are added up before anything is unpacked, reads are bounded, and what an
archive cannot need - devices, passwords, rare compressions - ends the build.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from actorium.builders import BuildFailed
from actorium.builds.sources import Tree
from actorium.builds.sources.growing import Growing, too_large, too_many
from actorium.kernel.limits import (
    SOURCE_DIRECTORY_BYTES_MAX,
    SOURCE_HEADER_BYTES_MAX,
    SOURCE_PATH_CHARS_MAX,
    SOURCE_PIECE_BYTES,
    SOURCE_TREE_BYTES_MAX,
    SOURCE_TREE_ENTRIES_MAX,
)

_ZIP, _GZIP, _TAR = (b"PK\x03\x04", b"PK\x05\x06"), b"\x1f\x8b", b"ustar"
_TAR_AT = 257  # where a tar file says that it is one
_ZIP_ENTRY = b"PK\x01\x02"
_MEMBER_BYTES = 2048  # of a tar file around a member: headers and padding
_UNIX = 3  # who made a zip member, when its attributes are a Unix mode
_WINDOWS = frozenset({0, 10, 14})
"""The same of DOS and Windows, whose programs may write backslashes between folders."""
_ENCRYPTED = 1
_APPLE = "__MACOSX/"  # what macOS adds to zip files; no source


def unpacked(archive: Path, scratch: Path) -> Tree:
    """The files of an archive; ``scratch`` is where a compressed tar file is inflated. Blocks for seconds at most.

    Raises BuildFailed and SourcePathInvalid.
    """
    with archive.open("rb") as file:
        head = file.read(512)
    if head.startswith(_GZIP):
        plain = scratch / f"{archive.name}.plain"
        try:
            _inflate(archive, plain)
            with plain.open("rb") as file:
                head = file.read(512)
            return _tree(plain, head)
        finally:
            plain.unlink(missing_ok=True)
    return _tree(archive, head)


def _tree(path: Path, head: bytes) -> Tree:
    if head.startswith(_ZIP):
        return _zip(path)
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return _tar(path)
    seen = " What came looks like a web page." if head.lstrip()[:1] == b"<" else ""
    raise BuildFailed(
        f"The sources are neither a zip nor a tar.gz archive.{seen} Let tarballUrl be the address of the archive."
    )


def _broken(kind: str, error: object) -> BuildFailed:
    return BuildFailed(f"The {kind} archive cannot be read: {error}. Make it again, or upload it again.")


def _inflate(archive: Path, plain: Path) -> None:
    left = SOURCE_TREE_BYTES_MAX + _MEMBER_BYTES * SOURCE_TREE_ENTRIES_MAX
    try:
        with archive.open("rb") as packed, gzip.GzipFile(fileobj=packed) as stream, plain.open("wb") as file:
            while piece := stream.read(SOURCE_PIECE_BYTES):
                left -= len(piece)
                if left < 0:
                    raise too_large()
                file.write(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _broken("gzip", error) from error


class _Outside(OSError):
    """A place before a file's beginning. Libraries expect an OSError there; a full disk is another."""


class _Bounded(io.BufferedReader):
    """A file of which no read returns more than it may."""

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        super().__init__(io.FileIO(path))
        self.bytes_max = bytes_max
        self._size = path.stat().st_size

    def seek(self, target: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(target, whence)
        except OSError as error:  # before the beginning
            raise _Outside("a part of it lies outside of it") from error

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._size - self.tell(), 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > self.bytes_max:
            raise too_many()
        return super().read(wanted)


class _Directory(_Bounded):
    """A zip file while its directory is read: an object is made of each entry, so they are counted before."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self.bytes_max == SOURCE_DIRECTORY_BYTES_MAX and data.count(_ZIP_ENTRY) > SOURCE_TREE_ENTRIES_MAX:
            raise too_many()
        return data


def _zip(path: Path) -> Tree:
    growing = Growing()
    try:
        with _Directory(path, bytes_max=SOURCE_DIRECTORY_BYTES_MAX) as file, zipfile.ZipFile(file) as archive:
            file.bytes_max = SOURCE_TREE_BYTES_MAX
            members = [member for member in archive.infolist() if not member.filename.startswith(_APPLE)]
            if sum(member.file_size for member in members) > SOURCE_TREE_BYTES_MAX:
                raise too_large()
            for member in members:
                _zip_member(archive, member, growing)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, ValueError, _Outside) as error:
        raise _broken("zip", error) from error
    return growing.tree()


def _zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, growing: Growing) -> None:
    name, mode = member.filename, member.external_attr >> 16 if member.create_system == _UNIX else 0
    if member.create_system in _WINDOWS:
        name = name.replace("\\", "/")
    if member.flag_bits & _ENCRYPTED:
        raise BuildFailed(f"The archive holds {name!r} under a password. Make it without one.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BuildFailed(f"The archive holds {name!r} in a rare compression. Make it with the usual one (deflate).")
    kind = stat.S_IFMT(mode)
    if name.endswith("/"):
        growing.folder(name)
    elif kind == stat.S_IFLNK:
        growing.link(name, _target(name, _zip_content(archive, member, growing)))
    elif kind in (0, stat.S_IFREG):
        growing.file(name, _zip_content(archive, member, growing), executable=bool(mode & 0o100))
    else:
        raise _special(name)


def _zip_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, growing: Growing) -> bytes:
    growing.room(member.file_size)
    with archive.open(member) as file:
        content = file.read(member.file_size)
    if len(content) != member.file_size:
        raise zipfile.BadZipFile(f"{member.filename!r} is cut off")
    return content


def _target(name: str, content: bytes) -> str:
    if len(content) > SOURCE_PATH_CHARS_MAX:
        raise BuildFailed(f"Source file {name!r} is a link to too long a path. Replace the link by a copy.")
    return content.decode("utf-8", "replace")


def _tar(path: Path) -> Tree:
    growing, before = Growing(), -1
    try:
        with (
            _Bounded(path, bytes_max=SOURCE_HEADER_BYTES_MAX) as headers,
            path.open("rb") as contents,
            tarfile.open(fileobj=headers, mode="r:", encoding="utf-8", errors="surrogateescape") as archive,
        ):
            for member in archive:
                if member.offset <= before:
                    raise tarfile.ReadError("its members go in a circle")
                before = member.offset
                _tar_member(contents, member, growing)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, _Outside) as error:
        raise _broken("tar", error) from error
    return growing.tree()


def _tar_member(contents: io.BufferedReader, member: tarfile.TarInfo, growing: Growing) -> None:
    if member.isdir():
        growing.folder(member.name)
    elif member.issym() or member.islnk():
        growing.link(member.name, member.linkname, hard=member.islnk())
    elif member.isreg() and not member.issparse():
        growing.room(member.size)
        contents.seek(member.offset_data, os.SEEK_SET)
        content = contents.read(member.size)
        if len(content) != member.size:
            raise tarfile.ReadError(f"{member.name!r} is cut off")
        growing.file(member.name, content, executable=bool(member.mode & 0o100))
    else:
        raise _special(member.name)


def _special(name: str) -> BuildFailed:
    return BuildFailed(f"Source file {name!r} is neither a file nor a folder nor a link. Leave it out of the archive.")
