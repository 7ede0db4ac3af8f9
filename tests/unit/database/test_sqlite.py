"""What only SQLite can get wrong: its file, its disk, its free pages."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actorium.database import Tx
from actorium.database.inline import Inline
from actorium.database.sqlite import SQLite, SQLiteSession, connect
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import SQLITE_FREE_PAGES_KEPT

pytestmark = pytest.mark.anyio

INSERT = "INSERT INTO items (id, body) VALUES (:id, :body)"


def pragma(tx: Tx, name: str) -> Any:
    (row,) = tx.all(f"PRAGMA {name}")
    return next(iter(dict(row).values()))


async def opened(path: Path) -> SQLite:
    database = await SQLite.open(path)
    await database.write(lambda tx: tx.run("CREATE TABLE items (id TEXT PRIMARY KEY, body BYTEA)"))
    return database


def _insert(tx: Tx, *, id: str, body: bytes) -> int:
    return tx.run(INSERT, id=id, body=body)


async def test_the_file_is_safe_and_gives_space_back(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = await opened(path)
    for run in (database.read, database.write):
        found = await run(lambda tx: [pragma(tx, name) for name in ("journal_mode", "synchronous", "auto_vacuum")])
        assert found == ["wal", 2, 2]  # synchronous FULL, auto_vacuum INCREMENTAL
        assert await run(lambda tx: pragma(tx, "foreign_keys")) == 1
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600] * 3
    await database.close()
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]  # the log is folded into it


async def test_free_pages_leave_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await (await opened(path)).close()
    connection = connect(path.as_uri())
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO items VALUES (?, zeroblob(4000))", [(str(n),) for n in range(3000)])
    connection.execute("COMMIT")
    connection.execute("DELETE FROM items")
    session = SQLiteSession(connection, threading.Lock())
    steps = 0
    while session.rest():
        steps += 1
    assert steps > 1
    assert connection.execute("PRAGMA freelist_count").fetchone()[0] <= SQLITE_FREE_PAGES_KEPT
    session.close()
    assert path.stat().st_size < (SQLITE_FREE_PAGES_KEPT + 100) * 4096


async def test_the_log_leaves_the_disk_when_nobody_reads_from_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = await opened(path)
    await asyncio.gather(
        *(database.write(partial(_insert, id=str(n), body=bytes(1_000_000))) for n in range(20)),
    )
    reader = connect(path.as_uri())
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM items LIMIT 1").fetchone()
    await database.write(lambda tx: tx.run("DELETE FROM items"))
    log = tmp_path / "a.db-wal"
    assert log.stat().st_size > 0
    reader.close()
    while log.stat().st_size:
        await database.write(lambda tx: None)  # the writer tries again after each commit
    assert path.stat().st_size < (SQLITE_FREE_PAGES_KEPT + 100) * 4096
    await database.close()


async def test_a_full_disk_fails_the_work_that_does_not_fit_and_no_other(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.db")
    await database.write(lambda tx: tx.run("PRAGMA max_page_count = 60"))
    bodies = [bytes(10_000_000 if n == 5 else 100) for n in range(20)]
    works = [partial(_insert, id=str(n), body=body) for n, body in enumerate(bodies)]
    results = await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)
    assert isinstance(results[5], BackendUnavailable)
    assert "disk" in results[5].message
    assert [result for result in results if result != results[5]] == [1] * 19
    await database.write(lambda tx: tx.run("PRAGMA max_page_count = 100000"))
    assert await database.write(lambda tx: tx.run(INSERT, id="5", body=bytes(1_000_000))) == 1
    await database.close()


async def test_a_failed_group_commit_runs_each_work_again_alone(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.db")
    await database.write(
        lambda tx: tx.run("CREATE TABLE ties (id TEXT REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED)")
    )
    runs: list[int] = []

    def work(tx: Tx, number: int) -> int:
        runs.append(number)
        tx.run(INSERT, id=str(number), body=b"")
        tx.run("INSERT INTO ties (id) VALUES (:id)", id="nobody" if number == 7 else str(number))
        return number

    hold = threading.Event()
    first = asyncio.ensure_future(database.write(lambda _: hold.wait(20)))
    rest = [asyncio.ensure_future(database.write(partial(work, number=number))) for number in range(12)]
    await asyncio.wait(rest, timeout=0)
    hold.set()  # the twelve have queued up and are one group
    results = await asyncio.gather(first, *rest, return_exceptions=True)
    assert isinstance(results[8], BackendUnavailable)
    assert results[1:8] + results[9:] == [n for n in range(12) if n != 7]
    assert sorted(runs) == sorted([*range(12), *range(12)])
    found = await database.read(lambda tx: {row["id"] for row in tx.all("SELECT id FROM items")})
    assert found == {str(n) for n in range(12) if n != 7}
    await database.close()


async def test_another_program_holding_the_file_fails_all_that_wait_at_once(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.db")
    await database.write(lambda tx: tx.all("PRAGMA busy_timeout = 100"))
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writes = [database.write(lambda tx: tx.run(INSERT, id="a", body=b"")) for _ in range(100)]
    results = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 5)
    assert {type(result) for result in results} == {BackendUnavailable}
    assert await database.read(lambda tx: tx.all("SELECT id FROM items")) == []
    other.execute("ROLLBACK")
    other.close()
    assert await database.write(lambda tx: tx.run(INSERT, id="a", body=b"")) == 1
    await database.close()


async def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, and long enough to see that" * 100)
    for path in [tmp_path / "text", tmp_path / "absent" / "a.db", tmp_path]:
        with pytest.raises(BackendUnavailable, match=f"Cannot open the database {path}: .*folder must exist"):
            await SQLite.open(path)


async def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "ä %41?mode=ro#x.db"
    await (await opened(path)).close()
    assert path.exists()


async def test_memory_databases_are_apart() -> None:
    one, other = await SQLite.open(":memory:"), await SQLite.open(":memory:")
    await one.write(lambda tx: tx.run("CREATE TABLE items (id TEXT)"))
    assert await other.read(lambda tx: tx.all("SELECT name FROM sqlite_schema")) == []
    await one.close()
    await other.close()


async def test_inline_starts_no_thread_and_writes_before_its_second_await() -> None:
    before = threading.active_count()
    database = await Inline.open()
    await database.write(lambda tx: tx.run("CREATE TABLE items (id TEXT)"))
    write = database.write(lambda tx: tx.run("INSERT INTO items VALUES ('a')"))
    steps = write.__await__()
    next(steps)
    next(steps)
    write.close()  # a crash after the commit and before the answer
    assert len(await database.read(lambda tx: tx.all("SELECT id FROM items"))) == 1
    assert threading.active_count() == before
    await database.close()
