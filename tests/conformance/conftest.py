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
from s3_server import Server

SERVICES = [pytest.param(pairing, marks=pytest.mark.services) for pairing in ("postgres+files", "postgres+s3")]
PAIRINGS = ["inline+memory", "sqlite+files", *SERVICES]


async def open_database(kind: str, folder: Path, request: pytest.FixtureRequest) -> Engine:
    if kind == "inline":
        return await Inline.open()
    if kind == "sqlite":
        return await SQLite.open(folder / "actorium.db")
    from actorium.database.postgres import Postgres

    return await Postgres.open(request.getfixturevalue("postgres_kept_url"))


async def open_blobs(kind: str, folder: Path, request: pytest.FixtureRequest) -> Blobs:
    if kind == "memory":
        return MemoryBlobs()
    if kind == "files":
        return await FileBlobs.open(folder / "blobs")
    from actorium.blobs.s3 import S3Blobs

    server: Server = request.getfixturevalue("s3")
    return await S3Blobs.open(server.url, server.environment)


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
async def blobs(pairing: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Blobs]:
    """An empty blob store."""
    opened = await open_blobs(pairing.partition("+")[2], tmp_path, request)
    yield opened
    await opened.close()
