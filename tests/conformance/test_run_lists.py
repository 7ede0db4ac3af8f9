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
from actorium.runs.spans import DAY, HOUR, MINUTE
from explaining import Explaining

pytestmark = pytest.mark.anyio

NOW = Instant(1_767_225_600_000)
FINISHED, LIVE, RARE = 800, 20, 5
SECS_BETWEEN = 20
"""Far enough for more minutes in which one started than may be looked at."""
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


def run(
    number: int,
    status: RunStatus,
    *,
    owner: str = "o",
    actor: str = "a",
    task: str | None = None,
    at: Instant | None = None,
) -> Run:
    """A run that started at its number's second, or at another time."""
    return Run(
        id=f"{number * 7919 % 10_007:05}-{number}",
        owner_id=owner,
        actor_id=actor,
        task_id=task,
        build_id="b",
        meta=RunMeta(origin=RunOrigin.API),
        started_at=NOW.plus(secs=number) if at is None else at,
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
                at=some_time(chance),
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
BORDERS = (-DAY, 0, MINUTE, 2 * MINUTE, 3 * MINUTE, HOUR - MINUTE, HOUR, HOUR + MINUTE, 3 * HOUR, DAY, 2 * DAY, 5 * DAY)
FAR = (Instant.parse("0001-01-01"), Instant.parse("9999-12-31T23:59:59.999Z"))


def some_time(chance: random.Random) -> Instant:
    """Where counting by spans could go wrong: where they begin, the moments before and after, and within them."""
    return NOW.plus(millis=chance.choice(BORDERS) + chance.choice((-1, 0, 0, 1, chance.randrange(HOUR))))


def filters(chance: random.Random) -> Iterator[Filter]:
    for owner, of, statuses, bounds in product("op", ("", "a", "t"), STATUSES, ("", "after", "before", "both")):
        after, before = (chance.choice(FAR) if chance.random() < 0.1 else some_time(chance) for _ in range(2))
        yield Filter(
            owner_id=owner,
            actor_id=of if of == "a" else None,
            task_id=of if of == "t" else None,
            statuses=statuses,
            started_after=after if bounds in ("after", "both") else None,
            started_before=before if bounds in ("before", "both") else None,
        )


@pytest.mark.parametrize("seed", range(2))
async def test_lists_and_totals_are_those_of_the_runs_that_are_there(engine: Engine, seed: int) -> None:
    await migrate(engine, NOW)
    shelf = Shelf(engine, random.Random(seed))

    def compare(tx: Tx) -> None:
        for wanted in filters(shelf.chance):
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
        assert await engine.read(counts) == await engine.write(counted_anew)
    for one in shelf.runs.values():
        assert await engine.write(lambda tx, one=one: store.delete(tx, one))
    assert await engine.read(counts) == []


def counts(tx: Tx) -> list[tuple[Any, ...]]:
    names = ("owner_id", "within", "span", "starts_at", "status", "amount")
    return sorted(tuple(row[name] for name in names) for row in tx.all(f"SELECT {', '.join(names)} FROM run_counts"))


def counted_anew(tx: Tx) -> list[tuple[Any, ...]]:
    """The counts as the migration makes them of the runs that are there."""
    [migration] = [one for one in packaged() if one.name == "0024_run_starts"]
    tx.run("DELETE FROM run_counts")
    for statement in migration.statements:
        if statement.startswith("INSERT INTO run_counts"):
            tx.run(statement)
    return counts(tx)


async def test_the_last_moment_of_a_stretch_is_in_it_and_none_of_one_the_wrong_way_round(engine: Engine) -> None:
    await migrate(engine, NOW)
    for number, millis in enumerate((-1, 0, 1, MINUTE - 1, MINUTE, DAY - 1, DAY)):
        status = RunStatus.RUNNING if number % 2 else RunStatus.SUCCEEDED
        new = run(number, status, at=NOW.plus(millis=millis))
        await engine.write(lambda tx, new=new: store.add(tx, new))

    def between(tx: Tx, after: int | None, before: int | None) -> int:
        bounds = [None if one is None else NOW.plus(millis=one) for one in (after, before)]
        return lists.total(tx, Filter(owner_id="o", started_after=bounds[0], started_before=bounds[1]))

    for after, before, total in (
        (0, 0, 1),
        (0, 1, 2),
        (-1, MINUTE, 5),
        (0, MINUTE - 1, 3),
        (1, DAY - 1, 4),
        (0, DAY, 6),
        (1, 0, 0),
        (DAY, -DAY, 0),
        (DAY + 1, None, 0),
        (None, -2, 0),
        (None, -1, 1),
        (None, DAY - 1, 6),
        (MINUTE, None, 3),
    ):
        found = await engine.read(lambda tx, after=after, before=before: between(tx, after, before))
        assert found == total, (after, before)


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
    old = [
        run(1, RunStatus.SUCCEEDED, task="t"),
        run(2, RunStatus.RUNNING),
        run(3, RunStatus.FAILED, actor="b", at=NOW.plus(millis=2 * DAY + HOUR - 1)),
    ]
    columns = "id, owner_id, actor_id, task_id, build_id, status, origin, started_at, finished_at, attempt, revision"

    def add(tx: Tx) -> None:
        for one in old:
            tx.run(
                f"INSERT INTO runs ({columns}, web_port, document) VALUES (:id, 'o', :actor, :task, 'b', :status,"
                " 'API', :started, :finished, 1, 1, :port, '{}')",
                id=one.id,
                started=int(one.started_at),
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
        (Filter(owner_id="o", started_after=NOW.plus(millis=DAY)), 1),
        (Filter(owner_id="o", started_after=NOW, started_before=NOW.plus(millis=DAY)), 2),
    ):
        assert await engine.read(lambda tx, wanted=wanted: lists.total(tx, wanted)) == total


async def test_statements_look_at_what_they_need(engine: Engine) -> None:
    await migrate(engine, NOW)

    def at(number: int) -> Instant:
        return NOW.plus(secs=number * SECS_BETWEEN)

    def fill(tx: Tx) -> None:
        for number in range(FINISHED + LIVE):
            rare = number % (FINISHED // RARE) == 0
            status = RunStatus.FAILED if rare else RunStatus.SUCCEEDED
            status = RunStatus.RUNNING if number >= FINISHED else status
            store.add(tx, run(number, status, task=(None, "t")[number % 2], at=at(number)))

    await engine.write(fill)
    if not isinstance(engine, SQLite):
        await engine.write(lambda tx: tx.run("ANALYZE"))  # PostgreSQL does by itself within a minute; we never do
    newest, middle, early = at(FINISHED - 30), at(FINISHED // 2).plus(millis=1), at(FINISHED // 9)

    def look(tx: Tx) -> Explaining:
        explaining = Explaining(tx, postgres=not isinstance(engine, SQLite))
        for within, statuses, (after, before) in product(
            ({}, {"actor_id": "a"}, {"task_id": "t"}),
            ((), (RunStatus.FAILED,), (RunStatus.ABORTED,), (RunStatus.FAILED, RunStatus.RUNNING)),
            ((None, None), (newest, None), (middle, None), (None, middle), (early, middle)),
        ):
            wanted = Filter(owner_id="o", statuses=statuses, started_after=after, started_before=before, **within)
            store.page(explaining, wanted, offset=0, limit=10, desc=True)  # type: ignore[arg-type]
            store.newest(explaining, wanted)  # type: ignore[arg-type]
        return explaining

    explaining = await engine.read(look)
    assert explaining.troubles == []
    assert explaining.explained == 3 * 4 * 5 * 3
