"""A way out for Parquet without a file: DuckDB writes to a "file system" that is the box's pipe.

DuckDB takes a file system of Python's if it derives from a class of the package fsspec. Nothing else of that package is
needed, so it is not a dependency: a module with the one class stands in for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import duckdb

PATH = "actorium://answer"
"""The only path there is; it can be written once and never read."""


class _AbstractFileSystem:
    """What DuckDB asks for by name."""

    protocol = PATH.partition(":")[0]


class _File:
    """The pipe, as DuckDB writes to it."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._size = 0

    def write(self, content: bytes) -> int:
        self._write(content)
        self._size += len(content)
        return len(content)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class Outlet(_AbstractFileSystem):
    """The file system with the one path. Closed until ``opens``."""

    def __init__(self) -> None:
        self._write: Callable[[bytes], None] | None = None

    def opens(self, write: Callable[[bytes], None]) -> None:
        """Let the next file that is written go to ``write``."""
        self._write = write

    def open(self, path: str, mode: str = "rb", **_: Any) -> _File:
        write, self._write = self._write, None
        if path != PATH or "w" not in mode or write is None:
            raise PermissionError("there is nothing to read here")
        return _File(write)

    def isfile(self, _: str) -> bool:
        return False

    def isdir(self, _: str) -> bool:
        return False

    def exists(self, _: str) -> bool:
        return False

    def glob(self, _: str) -> list[str]:
        return []


def attach(connection: duckdb.DuckDBPyConnection) -> Outlet:
    """Give a connection the path. Before its configuration allows that path and no other."""
    stand_in = ModuleType("fsspec")
    stand_in.AbstractFileSystem = _AbstractFileSystem  # type: ignore[attr-defined]
    sys.modules["fsspec"] = stand_in
    outlet = Outlet()
    connection.register_filesystem(outlet)
    return outlet
