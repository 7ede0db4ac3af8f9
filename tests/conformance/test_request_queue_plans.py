"""Every statement about requests goes through an index and looks at about as many rows as it returns.

The queue has thousands of handled requests and few others: whoever reads handled ones, or sorts, is found out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actorium.database import Tx
from actorium.database.migrate import Engine, migrate
from actorium.database.sqlite import SQLite
from actorium.kernel.instant import Instant
from actorium.request_queues import store
from actorium.request_queues.requests import PLACE_FIRST, PLACE_LAST, PLACES_PER_MILLI, draft_of

pytestmark = pytest.mark.anyio

QUEUE, OTHER = "q" * 17, "r" * 17
NOW = Instant(1_767_225_600_000)
BEFORE = (NOW - 60_000) * PLACES_PER_MILLI
HANDLED, WAITING, LOCKED = 4000, 300, 60
CLIENT = store.Client("client", "run")
ROWS_MAX = 600
"""More than any of these asks for, and far less than there are."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    if request.param == "sqlite":
        engine: Engine = await SQLite.open(tmp_path / "a.db")
    else:
        from actorium.database.postgres import Postgres

        engine = await Postgres.open(request.getfixturevalue("postgres_url"))
    await migrate(engine, NOW)
    for queue_id in (QUEUE, OTHER):
        for first in range(0, HANDLED + WAITING, 500):
            await engine.write(lambda tx, queue_id=queue_id, first=first: fill(tx, queue_id, first))
    await engine.write(lock_some)
    yield engine
    await engine.close()


def fill(tx: Tx, queue_id: str, first: int) -> None:
    if first == 0:
        tx.run(
            "INSERT INTO request_queues (id, owner_id, created_at, modified_at, accessed_at, document, last_position)"
            " VALUES (:id, 'o', 1, 1, 1, '{}', :last)",
            id=queue_id,
            last=NOW * PLACES_PER_MILLI,
        )
    numbers = range(first, min(first + 500, HANDLED + WAITING))
    drafts = [draft_of({"url": f"http://e/{n}", **({"handledAt": str(NOW)} if n < HANDLED else {})}) for n in numbers]
    store.add(tx, queue_id, drafts, first_place=BEFORE + first)


def lock_some(tx: Tx) -> None:
    queue = entered(tx)
    for _ in range(LOCKED // 20):
        store.lock_head(tx, queue, CLIENT, expires_at=NOW.plus(secs=60), limit=20)


def entered(tx: Tx) -> store.Entered:
    queue = store.enter(tx, QUEUE, "o", CLIENT, now=lambda: NOW)
    assert queue is not None
    return queue


class Explaining:
    """A transaction that tells how each statement goes before it runs it."""

    def __init__(self, tx: Tx, *, postgres: bool) -> None:
        self._tx = tx
        self._postgres = postgres
        self.troubles: list[str] = []
        self.explained = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def run(sql: str, *rows: Any, **params: Any) -> Any:
            for values in rows[0][:1] if rows else [params]:
                self._explain(sql, values)
            return getattr(self._tx, name)(sql, *rows, **params)

        return run

    def _explain(self, sql: str, params: dict[str, Any]) -> None:
        self.explained += 1
        if self._postgres:
            # which runs it too: changes are made twice
            [row] = self._tx.all(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", **params)
            for node in nodes(row["QUERY PLAN"][0]["Plan"]):
                looked_at = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
                if node["Node Type"] in ("Seq Scan", "Bitmap Heap Scan") or looked_at > ROWS_MAX:
                    self.troubles.append(f"{sql}: {node['Node Type']} of {looked_at}")
            return
        for row in self._tx.all(f"EXPLAIN QUERY PLAN {sql}", **params):
            step = row["detail"]
            if step.startswith(("SCAN queue_requests", "SCAN request_queues")):
                self.troubles.append(f"{sql}: {step}")
            if "TEMP B-TREE" in step and "ROW_NUMBER" not in sql:
                self.troubles.append(f"{sql}: {step}")
            if "queue_requests" in step and "INDEX" in step and "queue_id=?" not in step:
                self.troubles.append(f"{sql}: {step}")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def everything(tx: Tx) -> None:
    """Each statement of the store at least once."""
    queue = entered(tx)
    ids = [draft_of({"url": f"http://e/{n}"}).id for n in range(HANDLED, HANDLED + 25)]
    assert len(store.head(tx, QUEUE, now=NOW, last_place=queue.last_place, limit=100)) == 100
    assert len(store.lock_head(tx, queue, CLIENT, expires_at=NOW.plus(secs=9), limit=25)) == 25
    assert store.has_locks(tx, QUEUE, NOW)
    assert not store.has_locks(tx, OTHER, NOW)
    assert store.unlock_all(tx, queue, store.Client("nobody", ""), limit=100) == 0
    assert len(store.known(tx, QUEUE, ids)) == len(store.heads(tx, QUEUE, ids)) == 25
    assert len(store.known(tx, QUEUE, ids[:1])) == 1
    store.replace(tx, QUEUE, draft_of({"url": f"http://e/{HANDLED}"}), place=5, lock_expires_at=0)
    store.prolong(tx, QUEUE, ids[1], CLIENT, expires_at=NOW.plus(secs=90), forefront=False)
    store.unlock(tx, QUEUE, ids[1], place=6)
    store.delete(tx, QUEUE, ids[:2])
    assert store.find(tx, QUEUE, ids[2]) is not None
    present = NOW * PLACES_PER_MILLI
    assert len(store.listed(tx, QUEUE, after="5", limit=250)) == 250
    for after, until, locked_after, some in (
        ((PLACE_FIRST, ""), PLACE_LAST, -1, True),
        ((BEFORE + HANDLED + 200, "z"), PLACE_LAST, -1, True),
        ((present + 1, ""), PLACE_LAST, int(NOW), True),
        ((PLACE_FIRST, ""), -present - 1, int(NOW), False),
    ):
        found = store.listed_pending(tx, QUEUE, after=after, until=until, locked_after=locked_after, limit=250)
        assert bool(found) == some
    store.note_client(tx, QUEUE, CLIENT)
    store.add(tx, QUEUE, [draft_of({"url": "http://e/new"})], first_place=7)
    store.leave(tx, queue)
    assert not store.clear(tx, OTHER, 500, NOW)
    store.unlock_all(tx, queue, CLIENT, limit=100)


class Done(Exception):
    """Everything was looked at; nothing is to stay."""


@pytest.mark.parametrize("analyzed", [False, True])
async def test_statements_look_at_what_they_need(engine: Engine, analyzed: bool) -> None:
    found: list[Explaining] = []

    def work(tx: Tx) -> None:
        found.append(Explaining(tx, postgres=not isinstance(engine, SQLite)))
        everything(found[-1])  # type: ignore[arg-type]
        raise Done

    if analyzed:
        await engine.write(lambda tx: tx.run("ANALYZE"))
    with pytest.raises(Done):
        await engine.write(work)
    assert found[-1].troubles == []
    assert found[-1].explained > 20
