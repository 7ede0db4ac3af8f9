"""What is remembered is forgotten with the next commit of anybody."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from actorium.database import Tx
from actorium.database.inline import Inline
from actorium.database.sqlite import SQLite
from actorium.database.unchanged import Unchanged

pytestmark = pytest.mark.anyio


def make(tx: Tx) -> None:
    tx.run("CREATE TABLE things (name TEXT PRIMARY KEY)")


def add(name: str):
    def work(tx: Tx) -> None:
        tx.run("INSERT INTO things (name) VALUES (:name)", name=name)

    return work


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_commit_forgets(tmp_path: Path, in_memory: bool) -> None:
    database = await SQLite.open(":memory:" if in_memory else tmp_path / "a.db")
    await database.write(make)
    kept: Unchanged[str, int] = Unchanged(database, entries_max=2)
    assert kept.get("a") is None
    kept.put("a", 1, kept.seen)
    assert kept.get("a") == 1
    await database.write(add("x"))
    assert kept.get("a") is None
    await database.close()


async def test_a_commit_of_another_process_forgets(tmp_path: Path) -> None:
    database, other = await SQLite.open(tmp_path / "a.db"), await SQLite.open(tmp_path / "a.db")
    await database.write(make)
    kept: Unchanged[str, int] = Unchanged(database, entries_max=2)
    kept.get("a")
    kept.put("a", 1, kept.seen)
    assert kept.get("a") == 1
    await other.write(add("x"))
    with anyio.fail_after(5):
        while kept.get("a") is not None:
            await anyio.lowlevel.checkpoint()
    await other.close()
    await database.close()


async def test_a_value_read_before_a_commit_does_not_outlive_it(tmp_path: Path) -> None:
    database = await SQLite.open(tmp_path / "a.db")
    await database.write(make)
    kept: Unchanged[str, int] = Unchanged(database, entries_max=2)
    assert kept.get("a") is None
    seen = kept.seen
    await database.write(add("x"))
    kept.put("a", 1, seen)
    assert kept.get("a") is None
    await database.close()


async def test_nor_where_somebody_else_has_asked_since_the_commit(tmp_path: Path) -> None:
    database = await SQLite.open(tmp_path / "a.db")
    await database.write(make)
    kept: Unchanged[str, int] = Unchanged(database, entries_max=2)
    assert kept.get("a") is None
    seen = kept.seen
    await database.write(add("x"))
    assert kept.get("b") is None
    kept.put("a", 1, seen)
    assert kept.get("a") is None
    await database.close()


async def test_it_is_bounded_and_off_where_the_version_is_not_told(tmp_path: Path) -> None:
    database = await SQLite.open(tmp_path / "a.db")
    kept: Unchanged[str, int] = Unchanged(database, entries_max=2)
    kept.get("a")
    for number, key in enumerate("abc"):
        kept.put(key, number, kept.seen)
    assert (kept.get("a"), kept.get("c")) == (None, 2)
    await database.close()
    blind: Unchanged[str, int] = Unchanged(Inline(), entries_max=2)
    assert blind.get("a") is None
    blind.put("a", 1, blind.seen)
    assert blind.get("a") is None
