"""JSON array and JSON lines. Items that nothing changes are copied, never decoded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actorium.datasets.formats import NO_TABLE, Item, Table

_encode_lines = msgspec.json.Encoder().encode_lines
BOM = "\N{BYTE ORDER MARK}".encode()


class JsonArray:
    """``format=json``: an item a line."""

    media_type = "application/json; charset=utf-8"
    extension = "json"
    is_table = False

    def __init__(self, *, bom: bool = False) -> None:
        self._beginning = (BOM if bom else b"") + b"["
        self._separator = b""

    def begin(self, table: Table = NO_TABLE) -> bytes:  # noqa: ARG002 - it is none
        return self._beginning

    def rows(self, items: Sequence[Item]) -> bytes:
        return self.copied(_encode_lines(items)[:-1])

    def copied(self, block: bytes) -> bytes:
        """Items as they are stored: JSON texts joined by newlines."""
        if not block:
            return b""
        separator, self._separator = self._separator, b",\n"
        return separator + block.replace(b"\n", b",\n")

    def end(self) -> bytes:
        return b"]"


class JsonLines:
    """``format=jsonl``"""

    media_type = "application/jsonl; charset=utf-8"
    extension = "jsonl"
    is_table = False

    def __init__(self, *, bom: bool = False) -> None:
        self._beginning = BOM if bom else b""

    def begin(self, table: Table = NO_TABLE) -> bytes:  # noqa: ARG002 - it is none
        return self._beginning

    def rows(self, items: Sequence[Item]) -> bytes:
        return _encode_lines(items)

    def copied(self, block: bytes) -> bytes:
        """Items as they are stored: JSON texts joined by newlines."""
        return block + b"\n"

    def end(self) -> bytes:
        return b""
