"""Lists of runs on both engines: counts that are true whatever happens to runs, and statements that look at what they
return. Most of the runs are finished: whoever looks through those is found out."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from actorium.database import Tx
from actorium.database.migrate import Engine, migrate, packaged
from actorium.database.sqlite import SQLite
from actorium.kernel.instant import Instant
from actorium.runs import lists, store
from actorium.runs.lifecycle import STOPPING, TERMINAL, Life, RunStatus
from actorium.runs.lists import Filter
from actorium.runs.model import RunMeta, RunOptions, RunOrigin, StorageIds
from actorium.runs.row import Document, Run

pytestmark = pytest.mark.anyio

NOW = Instant(1_767_225_600_000)
FINISHED, LIVE, RARE = 800, 20, 5
ROWS_MAX = 150
"""More than any of these asks for, and far less than there are."""
DOCUMENT = Document(
    actor_name="hello",
    username="alice",
    starter_name="alice",
    owner_number=1,
    build_number="0.1.1",
    image_reference="image",
    options=RunOptions(build="latest", timeout_secs=0, memory_mbytes=256, disk_mbytes=512),
    storage_ids=StorageIds(datasets={}, key_value_stores={}, request_queues={}),
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    if request.param == "sqlite":
        engine: Engine = await SQLite.open(tmp_path / "a.db")
    else:
        from actorium.database.postgres import Postgres

        engine = await Postgres.open(request.getfixturevalue("postgres_url"))
    yield engine
    await engine.close()


def run(number: int, status: RunStatus, *, owner: str = "o", actor: str = "a", task: str | None = None) -> Run:
    """A run that started at its number's second."""
    started = NOW.plus(secs=number)
    return Run(
        id=f"{number * 7919 % 10_007:05}-{number}",
        owner_id=owner,
        actor_id=actor,
        task_id=task,
        build_id="b",
        meta=RunMeta(origin=RunOrigin.API),
        started_at=started,
        web_port=number,
        life=life_of(status),
        document=DOCUMENT,
    )


def life_of(status: RunStatus) -> Life:
    return Life(
        status=status,
        finished_at=NOW if status in TERMINAL else None,
        kill_at=NOW if status in STOPPING else None,
    )


@dataclass
class Shelf:
    """Runs as they should be stored."""

    engine: Engine
    chance: random.Random
    runs: dict[str, Run] = field(default_factory=dict)
    started: int = 0

    async def happens(self) -> None:
        """Something that happens to runs: a start, a change of status in any direction, a deletion."""
        chance = self.chance
        kind = chance.choice(("start", "start", "change", "change", "change", "delete"))
        if kind == "start" or not self.runs:
            self.started += 1
            new = run(
                self.started,
                chance.choice([*RunStatus]),
                owner=chance.choice("op"),
                actor=chance.choice("ab"),
                task=chance.choice((None, "t", "u")),
            )
            await self.engine.write(lambda tx: store.add(tx, new))
            self.runs[new.id] = new
            return
        before = self.runs[chance.choice(sorted(self.runs))]
        if kind == "delete":
            assert await self.engine.write(lambda tx: store.delete(tx, before))
            del self.runs[before.id]
            return
        after = replace(before, life=life_of(chance.choice([*RunStatus])))
        self.runs[before.id] = await self.engine.write(lambda tx: store.save(tx, after, before=before))

    def fitting(self, wanted: Filter) -> list[Run]:
        """What a list has to show, the oldest first."""
        found = [
            one
            for one in self.runs.values()
            if one.owner_id == wanted.owner_id
            and wanted.actor_id in (None, one.actor_id)
            and wanted.task_id in (None, one.task_id)
            and (not wanted.statuses or one.status in wanted.statuses)
            and (wanted.started_after is None or one.started_at >= wanted.started_after)
            and (wanted.started_before is None or one.started_at <= wanted.started_before)
        ]
        return sorted(found, key=lambda one: (one.started_at, one.id))


def seen(one: Run) -> tuple[str, str, RunStatus]:
    return one.id, one.actor_id, one.status


STATUSES = (
    (),
    (RunStatus.SUCCEEDED,),
    (RunStatus.READY,),
    (RunStatus.FAILED, RunStatus.RUNNING, RunStatus.FAILED),
    tuple(RunStatus),
)
TIMES = ((None, None), (NOW.plus(secs=5), None), (NOW.plus(secs=3), NOW.plus(secs=20)))


def filters() -> Iterator[Filter]:
    for owner, of, statuses, (after, before) in product("op", ("", "a", "t"), STATUSES, TIMES):
        yield Filter(
            owner_id=owner,
            actor_id=of if of == "a" else None,
            task_id=of if of == "t" else None,
            statuses=statuses,
            started_after=after,
            started_before=before,
        )


@pytest.mark.parametrize("seed", range(2))
async def test_lists_and_totals_are_those_of_the_runs_that_are_there(engine: Engine, seed: int) -> None:
    await migrate(engine, NOW)
    shelf = Shelf(engine, random.Random(seed))

    def compare(tx: Tx) -> None:
        for wanted in filters():
            fitting = shelf.fitting(wanted)
            desc, offset, limit = shelf.chance.random() < 0.5, shelf.chance.randrange(4), 1 + shelf.chance.randrange(9)
            total, page = store.page(tx, wanted, offset=offset, limit=limit, desc=desc)
            assert total == len(fitting), wanted
            ordered = fitting[::-1] if desc else fitting
            assert [seen(one) for one in page] == [seen(one) for one in ordered[offset : offset + limit]], wanted
            assert store.newest(tx, wanted) == (fitting[-1].id if fitting else None), wanted

    for _ in range(3):
        for _ in range(25):
            await shelf.happens()
        await engine.read(compare)


async def test_a_change_that_came_too_late_is_not_counted(engine: Engine) -> None:
    await migrate(engine, NOW)
    new = run(1, RunStatus.SUCCEEDED)
    await engine.write(lambda tx: store.add(tx, new))
    saved = await engine.write(lambda tx: store.save(tx, new, before=new))
    assert not await engine.write(lambda tx: store.delete(tx, new))
    wanted = Filter(owner_id="o")
    assert await engine.read(lambda tx: lists.total(tx, wanted)) == 1
    assert await engine.write(lambda tx: store.delete(tx, saved))
    assert await engine.read(lambda tx: lists.total(tx, wanted)) == 0


async def test_runs_from_before_the_counts_are_counted(engine: Engine) -> None:
    migrations = packaged()
    [at] = [index for index, one in enumerate(migrations) if one.name == "0023_run_lists"]
    await migrate(engine, NOW, migrations=migrations[:at])
    old = [run(1, RunStatus.SUCCEEDED, task="t"), run(2, RunStatus.RUNNING), run(3, RunStatus.FAILED, actor="b")]
    columns = "id, owner_id, actor_id, task_id, build_id, status, origin, started_at, finished_at, attempt, revision"

    def add(tx: Tx) -> None:
        for one in old:
            tx.run(
                f"INSERT INTO runs ({columns}, web_port, document) VALUES (:id, 'o', :actor, :task, 'b', :status,"
                " 'API', 1, :finished, 1, 1, :port, '{}')",
                id=one.id,
                actor=one.actor_id,
                task=one.task_id,
                status=str(one.status),
                finished=None if one.life.finished_at is None else 1,
                port=one.web_port,
            )

    await engine.write(add)
    await migrate(engine, NOW)
    for wanted, total in (
        (Filter(owner_id="o"), 3),
        (Filter(owner_id="o", actor_id="a"), 2),
        (Filter(owner_id="o", task_id="t"), 1),
        (Filter(owner_id="o", statuses=(RunStatus.FAILED,)), 1),
    ):
        assert await engine.read(lambda tx, wanted=wanted: lists.total(tx, wanted)) == total


class Explaining:
    """A transaction that tells which statements look at more than they need."""

    def __init__(self, tx: Tx, *, postgres: bool) -> None:
        self._tx = tx
        self._explain = self._postgres if postgres else self._sqlite
        self.troubles: list[str] = []
        self.explained = 0

    def all(self, sql: str, **params: Any) -> Any:
        self.explained += 1
        self._explain(sql, params)
        return self._tx.all(sql, **params)

    def one(self, sql: str, **params: Any) -> Any:
        found = self.all(sql, **params)
        return found[0] if found else None

    def _postgres(self, sql: str, params: dict[str, Any]) -> None:
        [row] = self._tx.all(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", **params)
        for node in nodes(row["QUERY PLAN"][0]["Plan"]):
            looked_at = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
            if (node.get("Relation Name") == "runs" and node["Node Type"] == "Seq Scan") or looked_at > ROWS_MAX:
                self.troubles.append(f"{sql}: {node['Node Type']} of {looked_at}")

    def _sqlite(self, sql: str, params: dict[str, Any]) -> None:
        for row in self._tx.all(f"EXPLAIN QUERY PLAN {sql}", **params):
            step = row["detail"]
            if step.startswith("SCAN runs") or ("TEMP B-TREE" in step and "UNION ALL" not in sql):
                self.troubles.append(f"{sql}: {step}")
            if step.startswith("SEARCH runs") and "finished_at IS NULL" in sql and "runs_live_of_owner" not in step:
                self.troubles.append(f"{sql}: {step}")
            if (
                step.startswith("SEARCH runs")
                and "status = :" in sql
                and "status=?" not in step
                and "(id=?)" not in step
            ):
                self.troubles.append(f"{sql}: {step}")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


async def test_statements_look_at_what_they_need(engine: Engine) -> None:
    await migrate(engine, NOW)

    def fill(tx: Tx) -> None:
        for number in range(FINISHED + LIVE):
            rare = number % (FINISHED // RARE) == 0
            status = RunStatus.FAILED if rare else RunStatus.SUCCEEDED
            status = RunStatus.RUNNING if number >= FINISHED else status
            store.add(tx, run(number, status, task=(None, "t")[number % 2]))

    await engine.write(fill)
    if not isinstance(engine, SQLite):
        await engine.write(lambda tx: tx.run("ANALYZE"))  # PostgreSQL does by itself within a minute; we never do
    newest = NOW.plus(secs=FINISHED - 30)

    def look(tx: Tx) -> Explaining:
        explaining = Explaining(tx, postgres=not isinstance(engine, SQLite))
        for within, statuses, after in product(
            ({}, {"actor_id": "a"}, {"task_id": "t"}),
            ((), (RunStatus.FAILED,), (RunStatus.ABORTED,), (RunStatus.FAILED, RunStatus.RUNNING)),
            (None, newest),
        ):
            wanted = Filter(owner_id="o", statuses=statuses, started_after=after, **within)
            store.page(explaining, wanted, offset=0, limit=10, desc=True)  # type: ignore[arg-type]
            store.newest(explaining, wanted)  # type: ignore[arg-type]
        return explaining

    explaining = await engine.read(look)
    assert explaining.troubles == []
    assert explaining.explained == 3 * 4 * 2 * 3
