"""Items as files: each format writes a beginning, rows, and an end, so that any number of items can be streamed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

Item = dict[str, Any]


class Writer(Protocol):
    """One file being written."""

    media_type: str
    extension: str
    needs_columns: bool
    """Whether ``columns`` must be known before the beginning."""

    def begin(self, columns: list[str]) -> bytes: ...

    def rows(self, items: Iterable[Item]) -> bytes: ...

    def end(self) -> bytes: ...
