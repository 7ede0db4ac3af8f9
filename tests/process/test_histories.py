"""Nothing that was acknowledged is ever lost, whatever is killed: seen from outside, over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import postgres_server
from histories.play import play
from live_server import LiveServer
from postgres_server import Server
from s3_server import Server as ObjectStore

SECS = 5.0
LONG_SECS = float(os.environ.get("HISTORY_SECS", "180"))
SEED = int(os.environ.get("HISTORY_SEED", "1"))

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(int(LONG_SECS) + 300)]


@pytest.fixture
def postgres() -> Iterator[Server]:
    """A server of its own, which the test may kill."""
    with postgres_server.running() as server:
        yield server


@pytest.mark.process
async def test_sqlite_and_files(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        await play(server, secs=SECS, seed=SEED)


@pytest.mark.services
@pytest.mark.long
async def test_postgres_and_s3(tmp_path: Path, postgres: Server, s3: ObjectStore) -> None:
    with LiveServer(tmp_path, ACTORIUM_DATABASE=postgres.url(), ACTORIUM_BLOBS=s3.url, **s3.environment) as server:
        await play(server, secs=SECS, seed=SEED, disturb=postgres.restart)


@pytest.mark.process
@pytest.mark.long
async def test_sqlite_and_files_for_minutes(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        await play(server, secs=LONG_SECS, seed=SEED + 1)


@pytest.mark.services
@pytest.mark.long
async def test_postgres_and_s3_for_minutes(tmp_path: Path, postgres: Server, s3: ObjectStore) -> None:
    with LiveServer(tmp_path, ACTORIUM_DATABASE=postgres.url(), ACTORIUM_BLOBS=s3.url, **s3.environment) as server:
        await play(server, secs=LONG_SECS, seed=SEED + 1, disturb=postgres.restart)
