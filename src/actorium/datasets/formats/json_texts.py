"""JSON array and JSON lines. Items that nothing changes are copied, never decoded."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from actorium.datasets.formats import Item

_encode = msgspec.json.Encoder().encode
BOM = "\N{BYTE ORDER MARK}".encode()


class JsonArray:
    """``format=json``"""

    media_type = "application/json; charset=utf-8"
    extension = "json"
    needs_columns = False

    def __init__(self, *, bom: bool = False) -> None:
        self._beginning = (BOM if bom else b"") + b"["
        self._separator = b""

    def begin(self, columns: list[str]) -> bytes:  # noqa: ARG002 - it has none
        return self._beginning

    def rows(self, items: Iterable[Item]) -> bytes:
        return self._separated(b",\n".join(_encode(item) for item in items))

    def copied(self, block: bytes) -> bytes:
        """Items as they are stored: JSON texts joined by newlines."""
        return self._separated(block.replace(b"\n", b",\n"))

    def end(self) -> bytes:
        return b"]"

    def _separated(self, texts: bytes) -> bytes:
        if not texts:
            return b""
        separator, self._separator = self._separator, b",\n"
        return separator + texts


class JsonLines:
    """``format=jsonl``"""

    media_type = "application/jsonl; charset=utf-8"
    extension = "jsonl"
    needs_columns = False

    def __init__(self, *, bom: bool = False) -> None:
        self._beginning = BOM if bom else b""

    def begin(self, columns: list[str]) -> bytes:  # noqa: ARG002 - it has none
        return self._beginning

    def rows(self, items: Iterable[Item]) -> bytes:
        return b"".join(_encode(item) + b"\n" for item in items)

    def copied(self, block: bytes) -> bytes:
        """Items as they are stored: JSON texts joined by newlines."""
        return block + b"\n"

    def end(self) -> bytes:
        return b""
