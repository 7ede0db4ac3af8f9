"""The pairings of a database and a blob store that every store must work on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actorium.blobs import Blobs
from actorium.blobs.files import FileBlobs
from actorium.blobs.memory import MemoryBlobs
from actorium.database import Database
from actorium.database.inline import Inline
from actorium.database.migrate import Engine, migrate
from actorium.database.sqlite import SQLite
from actorium.kernel.instant import Instant

PAIRINGS = ["inline+memory", "sqlite+files", pytest.param("postgres+files", marks=pytest.mark.services)]


async def open_database(kind: str, folder: Path, request: pytest.FixtureRequest) -> Engine:
    if kind == "inline":
        return await Inline.open()
    if kind == "sqlite":
        return await SQLite.open(folder / "actorium.db")
    from actorium.database.postgres import Postgres

    return await Postgres.open(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=PAIRINGS)
def pairing(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def database(pairing: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A migrated database, without rows."""
    engine = await open_database(pairing.partition("+")[0], tmp_path, request)
    await migrate(engine, Instant(1))
    yield engine
    await engine.close()


@pytest.fixture
async def blobs(pairing: str, tmp_path: Path) -> AsyncIterator[Blobs]:
    """An empty blob store."""
    opened: Blobs = MemoryBlobs() if pairing.endswith("+memory") else await FileBlobs.open(tmp_path / "blobs")
    yield opened
    await opened.close()
