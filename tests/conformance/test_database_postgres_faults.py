"""What only a server can do: deadlock, cut connections, change the schema under us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from threading import Barrier, BrokenBarrierError

import psycopg
import pytest

from actorium.database import Tx
from actorium.database.migrate import Migration, migrate, packaged
from actorium.database.postgres import Postgres, payloads, told
from actorium.database.sqlite import SQLite
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant
from actorium.kernel.store_limits import POSTGRES_NOTIFY_BYTES_MAX
from postgres_server import MISSING, from_wheel, running

pytestmark = [pytest.mark.anyio, pytest.mark.services]
ITEMS = Migration.parse("0001_items.sql", "CREATE TABLE items (id TEXT PRIMARY KEY, n BIGINT NOT NULL);")
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Postgres]:
    database = await Postgres.open(postgres_url)
    await migrate(database, Instant(0), migrations=[ITEMS])
    yield database
    await database.close()


def add(tx: Tx, id: str, *, n: int = 0) -> int:
    return tx.run("INSERT INTO items (id, n) VALUES (:id, :n)", id=id, n=n)


def count(tx: Tx) -> int:
    row = tx.one("SELECT COUNT(*) AS n FROM items")
    assert row is not None
    return int(row["n"])


def cut(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CUT)


async def test_a_deadlock_is_run_again_and_both_works_are_done(database: Postgres) -> None:
    await database.write(lambda tx: [add(tx, "a"), add(tx, "b")])
    barrier = Barrier(2)

    def work(tx: Tx, first: str, second: str) -> None:
        tx.run("UPDATE items SET n = n + 1 WHERE id = :id", id=first)
        with suppress(BrokenBarrierError):  # the second time there is nobody to wait for
            barrier.wait(5)
        tx.run("UPDATE items SET n = n + 1 WHERE id = :id", id=second)
        barrier.abort()

    one = asyncio.ensure_future(database.write(partial(work, first="a", second="b")))
    while not barrier.n_waiting:
        await asyncio.wait([one], timeout=0.01)
    await asyncio.gather(one, database.write(partial(work, first="b", second="a")))
    assert await database.read(lambda tx: [row["n"] for row in tx.all("SELECT n FROM items")]) == [2, 2]


async def test_cut_connections_are_made_anew(database: Postgres, postgres_url: str) -> None:
    listener = database.listen("items")
    assert await database.read(count) == 0
    cut(postgres_url)
    assert await database.read(count) == 0
    assert await database.write(partial(add, id="a")) == 1
    assert await asyncio.wait_for(anext(listener), 20) == frozenset()  # something may have been missed
    await database.write(lambda tx: tx.wake("items", "a"))
    assert await asyncio.wait_for(anext(listener), 20) == {"a"}


async def test_a_connection_cut_in_the_middle_of_a_group(database: Postgres, postgres_url: str) -> None:
    attempts = []

    def work(tx: Tx, number: int) -> None:
        attempts.append(number)
        add(tx, str(number))
        if number == 7 and attempts.count(7) == 1:
            cut(postgres_url)

    await asyncio.gather(*(database.write(partial(work, number=number)) for number in range(20)))
    assert await database.read(count) == 20
    assert attempts.count(7) == 2


async def test_a_commit_that_fails_runs_each_work_again_alone(database: Postgres) -> None:
    await database.write(
        lambda tx: tx.run("CREATE TABLE ties (id TEXT REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED)")
    )

    def work(tx: Tx, number: int) -> None:
        add(tx, str(number))
        tx.run("INSERT INTO ties (id) VALUES (:id)", id="nobody" if number == 7 else str(number))

    writes = [database.write(partial(work, number=number)) for number in range(20)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [number for number, result in enumerate(results) if result is not None] == [7]
    assert isinstance(results[7], BackendUnavailable)
    assert await database.read(count) == 19


async def test_a_read_of_one_statement_is_run_once_and_longer_ones_are_known_after_the_first_time(
    database: Postgres,
) -> None:
    attempts: list[str] = []

    def short(tx: Tx) -> int:
        attempts.append("short")
        return count(tx)

    def longer(tx: Tx) -> tuple[int, int]:
        attempts.append("longer")
        return count(tx), count(tx)

    await database.write(partial(add, id="a"))
    for _ in range(2):
        assert await database.read(short) == 1
        assert await database.read(partial(longer)) == (1, 1)
    assert attempts == ["short", "longer", "longer", "short", "longer"]


async def test_a_schema_changed_by_another_server(database: Postgres, postgres_url: str) -> None:
    await database.write(partial(add, id="a"))
    for _ in range(30):  # more than enough for every reader to have prepared it
        await database.read(lambda tx: tx.all("SELECT * FROM items"))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("ALTER TABLE items ADD COLUMN extra TEXT")
    for _ in range(10):
        rows = await database.read(lambda tx: tx.all("SELECT * FROM items"))
        assert list(rows[0].keys()) == ["id", "n", "extra"]


async def test_wakes_reach_other_processes(database: Postgres, postgres_url: str) -> None:
    other = await Postgres.open(postgres_url, writers=1, readers=1)
    listener = other.listen("items")
    with psycopg.connect(postgres_url) as connection:
        connection.execute("NOTIFY actorium, 'not ours'")
    await database.write(lambda tx: tx.wake("items", "a"))
    assert await asyncio.wait_for(anext(listener), 20) == {"a"}
    await other.close()


def test_payloads_fit_or_say_everything() -> None:
    assert payloads([("a", "1"), ("b", "2"), ("a", "3"), ("a", "1")]) == ['["a","1","3"]', '["b","2"]']
    wakes = [("a", f"ключ-{number}" * 10) for number in range(100)]
    assert payloads(wakes) == ['["a"]']
    assert told(b'["a"]') == [("a", "")]
    assert told(b'["a","1"]') == [("a", "1")]
    for payload in [b"", b"{}", b"[]", b"[1]", b"\xff"]:
        assert told(payload) == []
    fitting = [("a", "k" * (POSTGRES_NOTIFY_BYTES_MAX - len('["a",""]')))]
    assert len(payloads(fitting)[0]) == POSTGRES_NOTIFY_BYTES_MAX


async def test_what_cannot_be_opened_says_what_to_check() -> None:
    for password in ["secret", "s%40cr%2Fet", "sec%zzret", "127.0.0.1"]:
        with pytest.raises(BackendUnavailable, match="ACTORIUM_DATABASE") as caught:
            await Postgres.open(f"postgres://user:{password}@127.0.0.1:1/none")
        assert password not in caught.value.message
        assert "\n" not in caught.value.message


async def test_three_servers_migrate_at_once_to_the_schema_of_sqlite(postgres_url: str) -> None:
    servers = [await Postgres.open(postgres_url, writers=1, readers=1) for _ in range(3)]
    applied = await asyncio.gather(*(migrate(server, Instant(0)) for server in servers))
    assert sorted(name for names in applied for name in names) == [step.name for step in packaged()]
    lite = await SQLite.open(":memory:")
    await migrate(lite, Instant(0))
    theirs = await servers[0].read(
        lambda tx: tx.all(
            "SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = 'public'"
        )
    )
    ours = await lite.read(
        lambda tx: tx.all(
            "SELECT m.name AS t, p.name AS c FROM sqlite_schema m, pragma_table_info(m.name) p WHERE m.type = 'table'"
        )
    )
    assert {(row["t"], row["c"]) for row in theirs} == {(row["t"], row["c"]) for row in ours}
    for server in [*servers, lite]:
        await server.close()


async def test_the_wheel_carries_a_server() -> None:
    binaries = from_wheel()
    assert binaries is not None, MISSING
    with running(binaries) as server:
        database = await Postgres.open(server.create_database("fallback"))
        await migrate(database, Instant(0), migrations=[ITEMS])
        await asyncio.gather(*(database.write(partial(add, id=str(number))) for number in range(50)))
        assert await database.read(count) == 50
        await database.close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url())
