"""Two servers on one PostgreSQL write to one log: every line is there once, and no write fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import cast

import pytest

from actorium.database.migrate import migrate
from actorium.database.postgres import Postgres
from actorium.events.waiters import Waiters
from actorium.executors import Executor, LogRead
from actorium.kernel.instant import Instant
from actorium.logs import store
from actorium.logs.service import Logs
from actorium.loops.background import Background
from actorium.runs.ingest import Ingest

pytestmark = [pytest.mark.anyio, pytest.mark.services]

T0 = Instant(1_700_000_000_123)
LINES = 60


@pytest.fixture
async def two(postgres_kept_url: str) -> AsyncIterator[tuple[Postgres, Postgres]]:
    """What two servers have open, and the log ``run``."""
    one, other = await Postgres.open(postgres_kept_url), await Postgres.open(postgres_kept_url)
    await migrate(one, now=T0)
    await one.write(lambda tx: store.create(tx, subject_id="run", owner_id="alice"))
    yield one, other
    await other.close()
    await one.close()


async def lines_of(database: Postgres) -> Counter[str]:
    """The log without its times."""
    chunks = await database.read(lambda tx: store.chunks(tx, "run", after=0, limit=1000))
    text = b"".join(chunk.payload for chunk in chunks).decode()
    assert [chunk.position for chunk in chunks][:1] == [0]
    return Counter(line.partition(" ")[2] for line in text.splitlines())


class Source:
    """A container's log, one line at a time."""

    async def logs(self, _: str, after: str | None) -> LogRead:
        at = int(after or 0)
        return LogRead(cursor=str(at + 1), lines=[(T0, b"line %d" % at)] if at < LINES else [], more=at + 1 < LINES)


async def test_lines_that_two_servers_write_at_once(two: tuple[Postgres, Postgres]) -> None:
    logs = [Logs(database, Waiters(database)) for database in two]
    wanted = [f"{name} {number}" for name in ("one", "other") for number in range(LINES)]
    await asyncio.gather(*(logs[text[1] == "t"].append("run", [(T0, text.encode())]) for text in wanted))
    assert await lines_of(two[0]) == Counter(wanted)


async def test_a_containers_lines_that_two_servers_take_in_at_once(two: tuple[Postgres, Postgres]) -> None:
    readers = [
        Ingest(
            database, cast("Executor", Source()), logs=Logs(database, Waiters(database)), background=Background(),
            mask_in=lambda _tx, _run, lines: list(lines),
        )
        for database in two * 2
    ]  # fmt: skip
    await asyncio.gather(*(reader.take("run-1") for reader in readers))
    assert await lines_of(two[0]) == Counter(f"line {number}" for number in range(LINES))
