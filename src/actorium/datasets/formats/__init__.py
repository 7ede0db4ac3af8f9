"""Items as files: each format writes a beginning, rows, and an end, so that any number of items can be streamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a file that is a table: names such as ``a/0/b``, and what stands above each."""

    columns: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()


NO_TABLE = Table()


class Writer(Protocol):
    """One file being written."""

    media_type: str
    extension: str
    is_table: bool
    """Whether the columns must be known before the beginning."""

    def begin(self, table: Table) -> bytes: ...

    def rows(self, items: Sequence[Item]) -> bytes: ...

    def end(self) -> bytes: ...
