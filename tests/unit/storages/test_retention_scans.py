"""Retention and the survey read ranges of indexes, however much is stored; and the survey knows every blob's column."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from actorium.database import Row, Tx
from actorium.database.inline import Inline
from actorium.database.migrate import migrate
from actorium.kernel.instant import Instant
from actorium.runs import store as runs
from actorium.storages import store as storages
from actorium.storages.kinds import KINDS
from actorium.storages.store import BLOBS_NAMED_BY, StorageTable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database() -> AsyncIterator[Inline]:
    opened = await Inline.open()
    await migrate(opened, Instant(1))
    yield opened
    await opened.close()


class Explaining:
    """A transaction that answers each query with its plan."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.plans: list[str] = []

    def all(self, sql: str, /, **params: object) -> list[Row]:
        steps = self._tx.all(f"EXPLAIN QUERY PLAN {sql}", **params)
        self.plans += [step["detail"] for step in steps]
        return []


async def plans(database: Inline, work: Callable[[Explaining], object]) -> list[str]:
    def explain(tx: Tx) -> list[str]:
        explaining = Explaining(tx)
        work(explaining)
        return explaining.plans

    return await database.read(explain)


async def test_idle_storages_are_a_range(database: Inline) -> None:
    for kind in KINDS:
        found = await plans(database, lambda tx, kind=kind: StorageTable(kind).idle(tx, before=Instant(9), limit=5))  # type: ignore[misc]
        assert found == [f"SEARCH {kind.table} USING INDEX {kind.table}_idle (idle_since<?)"]


async def test_ended_runs_are_a_range(database: Inline) -> None:
    def work(tx: Explaining) -> None:
        runs.finished(tx, before=Instant(9), after=runs.Place(3, "x"), limit=5)  # type: ignore[arg-type]

    [found] = await plans(database, work)
    assert found.startswith("SEARCH runs USING COVERING INDEX runs_finished (")
    assert "finished_at<?" in found
    assert ">" in found


async def test_blobs_are_looked_up(database: Inline) -> None:
    found = await plans(database, lambda tx: storages.unnamed_blobs(tx, ["a", "b"]))  # type: ignore[arg-type]
    assert len(found) == len(BLOBS_NAMED_BY)
    for (table, column), plan in zip(BLOBS_NAMED_BY, found, strict=True):
        assert plan.startswith(f"SEARCH {table} USING")
        assert f"({column}=?)" in plan


async def test_the_survey_knows_every_column_that_names_blobs(database: Inline) -> None:
    """A new table with a blob key has to be added to BLOBS_NAMED_BY, or the survey deletes its blobs."""
    columns = "SELECT m.name AS tbl, c.name AS col FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
    rows = await database.read(lambda tx: tx.all(f"{columns} WHERE m.type = 'table'"))
    found = {(row["tbl"], row["col"]) for row in rows if "blob" in row["col"]}
    assert found == {(table, column) for table, column in BLOBS_NAMED_BY if table != "blob_garbage"}
    tables = {row["tbl"] for row in rows if "blob" in row["tbl"]}
    assert tables == {"blob_garbage", "blob_suspects"}
