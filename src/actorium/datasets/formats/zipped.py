"""A ZIP file as a stream: entries are deflated as they come, and nothing but their directory is remembered.

The standard library's writer deflates with zlib, which costs several times what isal does at the same size.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from isal import isal_zlib

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_VERSION, _VERSION_64 = 20, 45
_FLAGS = 0x0808  # sizes follow the data; names are UTF-8
_DEFLATED = 8
_DATE = 0x0021  # 1 January 1980, the first day ZIP knows: the same items make the same file
_FITS = 0xFFFF_FFFF
"""Sizes and places from here on need the 64-bit form."""


@dataclass(slots=True)
class _Entry:
    name: bytes
    place: int
    crc: int = 0
    packed: int = 0
    size: int = 0

    @property
    def is_large(self) -> bool:
        return max(self.packed, self.size, self.place) >= _FITS


class ZipStream:
    """Every method returns the bytes of the file that follow. Entries one after the other: ``open``, ``write``,
    ``close``; at last ``end``."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._place = 0
        self._deflate = isal_zlib.compressobj(1, wbits=-15)

    def open(self, name: str) -> bytes:
        entry = _Entry(name.encode(), self._place)
        self._entries.append(entry)
        self._deflate = isal_zlib.compressobj(1, wbits=-15)
        head = _LOCAL.pack(b"PK\3\4", _VERSION, _FLAGS, _DEFLATED, 0, _DATE, 0, 0, 0, len(entry.name), 0)
        return self._placed(head + entry.name)

    def write(self, data: bytes) -> bytes:
        entry = self._entries[-1]
        entry.crc = isal_zlib.crc32(data, entry.crc)
        entry.size += len(data)
        return self._packed(self._deflate.compress(data))

    def close(self) -> bytes:
        entry = self._entries[-1]
        rest = self._packed(self._deflate.flush())
        sizes = struct.pack("<2Q" if max(entry.packed, entry.size) >= _FITS else "<2I", entry.packed, entry.size)
        return rest + self._placed(struct.pack("<4sI", b"PK\7\10", entry.crc) + sizes)

    def whole(self, name: str, data: bytes) -> bytes:
        """A whole entry."""
        return self.open(name) + self.write(data) + self.close()

    def end(self) -> bytes:
        """The directory."""
        begin = self._place
        directory = b"".join([_central(entry) for entry in self._entries])
        count, size, tail = len(self._entries), len(directory), b""
        if begin >= _FITS or any(entry.is_large for entry in self._entries):
            tail = _END_64.pack(b"PK\6\6", 44, _VERSION_64, _VERSION_64, 0, 0, count, count, size, begin)
            tail += _LOCATOR_64.pack(b"PK\6\7", 0, begin + size, 1)
        return directory + tail + _END.pack(b"PK\5\6", 0, 0, count, count, size, min(begin, _FITS), 0)

    def _packed(self, data: bytes) -> bytes:
        self._entries[-1].packed += len(data)
        return self._placed(data)

    def _placed(self, data: bytes) -> bytes:
        self._place += len(data)
        return data


def _central(entry: _Entry) -> bytes:
    version, extra = _VERSION, b""
    packed, size, place = entry.packed, entry.size, entry.place
    if entry.is_large:
        version, extra = _VERSION_64, struct.pack("<2H3Q", 1, 24, size, packed, place)
        packed = size = place = 0xFFFF_FFFF
    head = (b"PK\1\2", version, version, _FLAGS, _DEFLATED, 0, _DATE, entry.crc, packed, size)
    return _CENTRAL.pack(*head, len(entry.name), len(extra), 0, 0, 0, 0, place) + entry.name + extra
