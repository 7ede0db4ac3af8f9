"""Moving an installation from every pairing to every other, and to another one of the same kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import s3_server
from actorium.blobs.files import FileBlobs
from actorium.blobs.s3 import S3Blobs
from actorium.database.postgres import Postgres
from actorium.database.sqlite import SQLite
from actorium.upkeep.copying import Copy, Place
from postgres_server import Server
from upkeep_world import contents, fill, is_marked, place

pytestmark = [pytest.mark.anyio, pytest.mark.services]

Opened = Callable[[str, str], "AsyncIterator[Place]"]


@pytest.fixture
def urls(
    postgres_server: Server, s3: s3_server.Server, tmp_path: Path
) -> Callable[[str], tuple[str, s3_server.Server]]:
    def of(side: str) -> tuple[str, s3_server.Server]:
        name = f"copy_{side}_{abs(hash(tmp_path))}"
        return postgres_server.create_database(name), replace(s3, folder=f"{s3.folder}-{side}")

    return of


@asynccontextmanager
async def opened(
    kind: str, side: str, folder: Path, urls: Callable[[str], tuple[str, s3_server.Server]]
) -> AsyncIterator[Place]:
    if kind == "sqlite+files":
        (folder / side).mkdir()
        where = await place(await SQLite.open(folder / side / "x.db"), await FileBlobs.open(folder / side / "blobs"))
    else:
        url, s3 = urls(side)
        where = await place(await Postgres.open(url), await S3Blobs.open(s3.url, s3.environment))
    yield where
    await where.database.close()
    await where.blobs.close()


@pytest.mark.parametrize("target", ["sqlite+files", "postgres+s3"])
@pytest.mark.parametrize("source", ["sqlite+files", "postgres+s3"])
async def test_everything_arrives(
    source: str, target: str, tmp_path: Path, urls: Callable[[str], tuple[str, s3_server.Server]]
) -> None:
    async with opened(source, "a", tmp_path, urls) as here, opened(target, "b", tmp_path, urls) as there:
        await fill(here, rows=7)
        proof = await Copy(here, there, tell=lambda _: None).run()
        assert proof.is_whole, proof
        assert await contents(there) == await contents(here)
        assert not await is_marked(there)
        assert (await Copy(here, there, tell=lambda _: None).compare()).is_whole
        await there.database.write(lambda tx: tx.run("DELETE FROM tokens"))
        again = await Copy(here, there, tell=lambda _: None).compare()
        assert [line.name for line in again.lines if not line.is_same] == ["tokens"]
