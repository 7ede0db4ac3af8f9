"""SQLite in a file, and in memory behind the same threads."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from actorium.database.sqlite import SQLite
from actorium.testing.conformance.database import DatabaseConformance


class TestSQLite(DatabaseConformance):
    @pytest.fixture
    async def empty(self, tmp_path: Path) -> SQLite:
        return await SQLite.open(tmp_path / "actorium.db")

    @pytest.fixture
    def another(self, tmp_path: Path) -> partial[object]:
        return partial(SQLite.open, tmp_path / "actorium.db")


class TestMemory(DatabaseConformance):
    shared = False

    @pytest.fixture
    async def empty(self) -> SQLite:
        return await SQLite.open(":memory:")
