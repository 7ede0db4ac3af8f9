"""The ZIP file format, written front to back: nothing is known of an entry before it is written but its name.

Sizes follow their entry in a data descriptor. The directory at the end has some 80 bytes an entry; what is beyond a
few megabytes of it waits in a temporary file. Pure but for that file.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from typing import IO

from isal import isal_zlib

from actorium.kernel.instant import Instant
from actorium.kernel.limits import ZIP_DIRECTORY_BYTES
from actorium.kernel.store_limits import BLOB_PIECE_BYTES

_LOCAL = struct.Struct("<4s5H3I2H")
_DESCRIPTOR = struct.Struct("<4s3I")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_OFFSET_EXTRA = struct.Struct("<2HQ")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_VERSION = 20
_VERSION_64 = 45
_SIZES_FOLLOW = 0x0008
_DEFLATED = 8
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFF_FFFF
_FIRST_YEAR, _LAST_YEAR = 1980, 2107
_UNIX_FILE = 0o100644 << 16
_MADE_ON_UNIX = 3 << 8


class ZipFile:
    """Gives the bytes of a ZIP file: ``begin``, ``add`` as often as wanted, ``end`` for each entry; then ``finish``.

    No entry has 4 GiB or more; the file and the number of entries have no limit (ZIP64). ``close`` it.
    """

    def __init__(self) -> None:
        self._directory: IO[bytes] = tempfile.SpooledTemporaryFile(ZIP_DIRECTORY_BYTES)  # noqa: SIM115
        self._directory_size = 0
        self._position = 0
        self._count = 0
        self._entry: _Entry | None = None

    def begin(self, name: str, modified_at: Instant) -> bytes:
        """Start an entry. The name is ASCII."""
        self._entry = entry = _Entry(name.encode("ascii"), _dos_time(modified_at), self._position)
        time, date = entry.time
        head = _LOCAL.pack(b"PK\x03\x04", _VERSION, _SIZES_FOLLOW, _DEFLATED, time, date, 0, 0, 0, len(entry.name), 0)
        return self._out(head + entry.name)

    def add(self, piece: bytes) -> bytes:
        """Bytes of the entry."""
        assert self._entry is not None
        return self._out(self._entry.deflate(piece))

    def end(self) -> bytes:
        """The end of the entry."""
        entry, self._entry = self._entry, None
        assert entry is not None
        rest = entry.rest()
        last = self._out(rest + _DESCRIPTOR.pack(b"PK\x07\x08", entry.crc, entry.packed, entry.size))
        self._remember(entry)
        return last

    def finish(self) -> Iterator[bytes]:
        """The directory and the end of the file."""
        self._directory.seek(0)
        while piece := self._directory.read(BLOB_PIECE_BYTES):
            yield piece
        start, size, count = self._position, self._directory_size, self._count
        tail = b""
        if count >= _FULL_16 or start >= _FULL_32 or size >= _FULL_32:
            tail = _END_64.pack(
                b"PK\x06\x06",
                _END_64.size - 12,
                _MADE_ON_UNIX | _VERSION_64,
                _VERSION_64,
                0,
                0,
                count,
                count,
                size,
                start,
            )
            tail += _LOCATOR_64.pack(b"PK\x06\x07", 0, start + size, 1)
        entries = min(count, _FULL_16)
        yield tail + _END.pack(b"PK\x05\x06", 0, 0, entries, entries, min(size, _FULL_32), min(start, _FULL_32), 0)

    def close(self) -> None:
        """Let go of the temporary file."""
        self._directory.close()

    def _out(self, piece: bytes) -> bytes:
        self._position += len(piece)
        return piece

    def _remember(self, entry: _Entry) -> None:
        is_far = entry.offset >= _FULL_32
        extra = _OFFSET_EXTRA.pack(1, 8, entry.offset) if is_far else b""
        time, date = entry.time
        head = _CENTRAL.pack(
            b"PK\x01\x02",
            _MADE_ON_UNIX | (_VERSION_64 if is_far else _VERSION),
            _VERSION_64 if is_far else _VERSION,
            _SIZES_FOLLOW,
            _DEFLATED,
            time,
            date,
            entry.crc,
            entry.packed,
            entry.size,
            len(entry.name),
            len(extra),
            0,
            0,
            0,
            _UNIX_FILE,
            min(entry.offset, _FULL_32),
        )
        self._directory.write(head + entry.name + extra)
        self._directory_size += len(head) + len(entry.name) + len(extra)
        self._count += 1


class _Entry:
    def __init__(self, name: bytes, time: tuple[int, int], offset: int) -> None:
        self.name = name
        self.time = time
        self.offset = offset
        self.crc = self.size = self.packed = 0
        self._deflate = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)

    def deflate(self, piece: bytes) -> bytes:
        self.crc = isal_zlib.crc32(piece, self.crc)
        self.size += len(piece)
        return self._counted(self._deflate.compress(piece))

    def rest(self) -> bytes:
        rest = self._counted(self._deflate.flush())
        assert max(self.size, self.packed) < _FULL_32, "an entry of a ZIP file has 4 GiB or more"
        return rest

    def _counted(self, piece: bytes) -> bytes:
        self.packed += len(piece)
        return piece


def _dos_time(instant: Instant) -> tuple[int, int]:
    """Time and date as MS-DOS had them, in UTC: two-second steps from 1980 on."""
    text = str(instant)
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return 0, 33  # the first day there is
    hours, minutes, seconds = int(text[11:13]), int(text[14:16]), int(text[17:19])
    return hours << 11 | minutes << 5 | seconds // 2, (year - _FIRST_YEAR) << 9 | month << 5 | day
