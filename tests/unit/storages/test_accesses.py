"""Uses of storages on their way into the rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from actorium.database import Tx, Work
from actorium.database.inline import Inline
from actorium.database.migrate import migrate
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant
from actorium.storages.accesses import Accesses
from actorium.storages.kinds import DATASETS, REQUEST_QUEUES
from actorium.storages.model import Profile
from actorium.storages.store import StorageTable

pytestmark = pytest.mark.anyio

KINDS = (DATASETS, REQUEST_QUEUES)


class Failing:
    """A database whose writes fail for some lanes."""

    def __init__(self, database: Inline) -> None:
        self._database = database
        self.fails: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, work: Work[Any], /, *, lane: str = "") -> Any:
        if lane in self.fails:
            raise BackendUnavailable
        return await self._database.write(work)


def add_all(tx: Tx) -> None:
    for kind in KINDS:
        for name in ("a", "b"):
            StorageTable(kind).add(
                tx,
                id=kind.table + name,
                owner_id="o",
                name=None,
                created_by_run=None,
                profile=Profile(signing_secret="s"),
                now=Instant(1),
            )


@pytest.fixture
async def database() -> AsyncIterator[Failing]:
    inline = await Inline.open()
    await migrate(inline, Instant(1))
    await inline.write(add_all)
    yield Failing(inline)
    await inline.close()


async def counts(database: Failing) -> dict[str, tuple[int, int, int]]:
    rows = [
        row
        for kind in KINDS
        for row in await database.read(
            lambda tx, kind=kind: tx.all(f"SELECT id, read_count, list_count, accessed_at FROM {kind.table}")
        )
    ]
    return {row["id"]: (row["read_count"], row["list_count"], row["accessed_at"]) for row in rows}


async def test_uses_reach_the_rows_once(database: Failing) -> None:
    accesses = Accesses(database)
    accesses.saw(DATASETS, "datasetsa", Instant(5), reads=2)
    accesses.saw(DATASETS, "datasetsa", Instant(4), lists=1)
    accesses.saw(REQUEST_QUEUES, "request_queuesb", Instant(9), reads=1)
    await accesses.flush()
    await accesses.flush()
    assert await counts(database) == {
        "datasetsa": (2, 1, 5),
        "datasetsb": (0, 0, 1),
        "request_queuesa": (0, 0, 1),
        "request_queuesb": (1, 0, 9),
    }


async def test_what_could_not_be_written_is_kept_and_nothing_else(database: Failing) -> None:
    accesses = Accesses(database)
    accesses.saw(DATASETS, "datasetsa", Instant(5), reads=1)
    accesses.saw(DATASETS, "datasetsb", Instant(5), reads=1)
    database.fails = {"datasetsa"}
    with pytest.raises(BackendUnavailable):
        await accesses.flush()
    assert accesses.pending(DATASETS, "datasetsa").reads == 1
    assert accesses.pending(DATASETS, "datasetsb").reads == 0
    accesses.saw(DATASETS, "datasetsa", Instant(6), reads=1)
    database.fails = set()
    await accesses.flush()
    found = await counts(database)
    assert (found["datasetsa"], found["datasetsb"]) == ((2, 0, 6), (1, 0, 5))
