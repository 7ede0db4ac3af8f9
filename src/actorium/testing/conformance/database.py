"""What every database must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from enum import StrEnum
from functools import partial
from threading import Event, Thread
from typing import Any, ClassVar

import pytest

from actorium.database import Database, StatementRefused, Tx, UniqueViolation
from actorium.database.migrate import Engine, Migration, migrate
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant
from actorium.testing.conformance.wakes import WAIT_SECS, WakesConformance

SCHEMA = Migration.parse(
    "0001_conformance.sql",
    """
    CREATE TABLE items (id TEXT PRIMARY KEY, n BIGINT NOT NULL, owner TEXT);
    CREATE TABLE kinds (id BIGINT PRIMARY KEY, text TEXT, bytes BYTEA, number BIGINT, ratio DOUBLE PRECISION);
    CREATE TABLE sorted (key BINARY_TEXT PRIMARY KEY);
    """,
)
CLAIM = """
UPDATE items SET owner = :owner
WHERE id = (SELECT id FROM items WHERE owner IS NULL ORDER BY id LIMIT 1) AND owner IS NULL
RETURNING id
"""


class Colour(StrEnum):
    RED = "red"


class Meant(Exception):
    """Raised on purpose."""


def insert(tx: Tx, id: str, *, n: int = 0) -> None:
    tx.run("INSERT INTO items (id, n) VALUES (:id, :n)", id=id, n=n)


def ids(tx: Tx) -> list[str]:
    return [row["id"] for row in tx.all("SELECT id FROM items ORDER BY id")]


def nothing(_: Tx) -> int:
    return 1


def count_up(tx: Tx) -> int:
    """Read, then write; what was read."""
    row = tx.held("SELECT n FROM items WHERE id = 'a'")
    assert row is not None
    tx.run("UPDATE items SET n = :n WHERE id = 'a'", n=row["n"] + 1)
    return int(row["n"])


class DatabaseConformance(WakesConformance):
    """Give the fixture ``empty``: an open database without tables."""

    pytestmark = pytest.mark.anyio

    shared: ClassVar[bool] = True
    """``another`` opens the same rows again, so that a read and a write can overlap."""
    overlapping: ClassVar[bool] = False
    """Two works can be in progress at once."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def empty(self) -> Engine:
        raise NotImplementedError

    @pytest.fixture
    async def database(self, empty: Engine) -> AsyncIterator[Engine]:
        await migrate(empty, Instant(0), migrations=[SCHEMA])
        yield empty
        await empty.close()

    @pytest.fixture
    def another(self) -> Callable[[], Coroutine[Any, Any, Engine]]:
        """A function that opens the same database again."""
        raise NotImplementedError

    # transactions

    async def test_a_write_returns_what_its_work_does_and_is_read_back(self, database: Database) -> None:
        add = "INSERT INTO items (id, n) VALUES ('a', 1) RETURNING n"
        assert await database.write(lambda tx: tx.all(add)[0]["n"]) == 1
        assert await database.read(ids) == ["a"]

    async def test_a_work_that_raises_leaves_nothing_and_its_error_arrives(self, database: Database) -> None:
        def work(tx: Tx) -> None:
            insert(tx, "a")
            raise Meant("why")

        with pytest.raises(Meant, match="why"):
            await database.write(work)
        assert await database.read(ids) == []

    async def test_works_that_raise_do_not_disturb_their_group(self, database: Database) -> None:
        def work(tx: Tx, number: int) -> int:
            insert(tx, f"{number:02}")
            if number % 5 == 0:
                raise Meant
            if number % 7 == 0:
                insert(tx, f"{number:02}")
            return number

        results = await asyncio.gather(
            *(database.write(partial(work, number=number)) for number in range(1, 41)), return_exceptions=True
        )
        for number, result in enumerate(results, 1):
            expected = Meant if number % 5 == 0 else UniqueViolation if number % 7 == 0 else int
            assert isinstance(result, expected), (number, result)
        assert await database.read(ids) == [f"{n:02}" for n in range(1, 41) if n % 5 and n % 7]

    @pytest.mark.parametrize("method", ["all", "one", "run", "many"])
    async def test_a_change_made_in_any_way_goes_with_its_work(self, database: Database, method: str) -> None:
        returning = " RETURNING id" if method in ("all", "one") else ""
        change = f"INSERT INTO items (id, n) VALUES ('gone', 1){returning}"

        def work(tx: Tx) -> None:
            tx.many(change, [{}]) if method == "many" else getattr(tx, method)(change)
            raise Meant

        inserts = [database.write(partial(insert, id=f"{number}")) for number in range(9)]
        results = await asyncio.gather(*inserts[:5], database.write(work), *inserts[5:], return_exceptions=True)
        assert isinstance(results[5], Meant)
        assert await database.read(ids) == [f"{number}" for number in range(9)]

    async def test_who_holds_a_row_last_sees_what_was_done_before(self, database: Database) -> None:
        if not self.overlapping:
            pytest.skip("declared: one work at a time, so nothing can overlap")
        first_holds, second_comes = Event(), Event()

        def first(tx: Tx) -> None:
            count_up(tx)
            first_holds.set()
            assert second_comes.wait(WAIT_SECS)

        def second(tx: Tx) -> int:
            second_comes.set()
            return count_up(tx)

        assert await database.write(lambda tx: tx.held("SELECT n FROM items")) is None
        await database.write(lambda tx: insert(tx, "a"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(database.write(first))
            assert await asyncio.to_thread(first_holds.wait, WAIT_SECS)
            assert await database.write(second) == 1

    async def test_even_an_exception_that_futures_cannot_carry_arrives(self, database: Database) -> None:
        with pytest.raises(RuntimeError):
            await database.write(lambda _: next(iter(())))
        assert await database.write(nothing) == 1

    async def test_increments_of_many_callers_add_up(self, database: Database) -> None:
        await database.write(lambda tx: insert(tx, "a"))
        await asyncio.gather(
            *(database.write(lambda tx: tx.run("UPDATE items SET n = n + 1 WHERE id = 'a'")) for _ in range(100)),
            *(database.write(count_up) for _ in range(50)),
        )
        assert await database.write(count_up) == 150

    async def test_a_read_does_not_write(self, database: Database) -> None:
        with pytest.raises(StatementRefused):
            await database.read(lambda tx: insert(tx, "a"))
        assert await database.read(ids) == []

    async def test_a_read_that_raises_leaves_the_next_one_alone(self, database: Database) -> None:
        with pytest.raises(ZeroDivisionError):
            await database.read(lambda tx: 1 // len(ids(tx)))
        await database.write(lambda tx: insert(tx, "a"))
        assert await database.read(ids) == ["a"]

    async def test_a_read_sees_one_moment(self, database: Database, request: pytest.FixtureRequest) -> None:
        if not self.shared:
            pytest.skip("declared: these rows cannot be opened twice")
        another = request.getfixturevalue("another")

        async def write(name: str) -> None:
            other = await another()
            await other.write(lambda tx: insert(tx, name))
            await other.close()

        def work(tx: Tx) -> tuple[list[str], list[str]]:
            before = ids(tx)
            thread = Thread(target=lambda: asyncio.run(write(f"b{len(before)}")))
            thread.start()
            thread.join(WAIT_SECS)
            assert not thread.is_alive()
            return before, ids(tx)

        await database.write(lambda tx: insert(tx, "a"))
        before, after = await database.read(work)  # it may be run more than once
        assert before == after == (await database.read(ids))[:-1]

    # errors

    async def test_a_second_row_with_a_key_is_a_unique_violation(self, database: Database) -> None:
        await database.write(lambda tx: insert(tx, "a", n=1))
        with pytest.raises(UniqueViolation):
            await database.write(lambda tx: insert(tx, "a", n=2))
        changed = await database.write(
            lambda tx: tx.run("INSERT INTO items (id, n) VALUES ('a', 3) ON CONFLICT (id) DO NOTHING")
        )
        assert changed == 0

    @pytest.mark.parametrize(
        "sql", ["SELECT nothing FROM nowhere", "SELEC 1", "INSERT INTO items (id, n) VALUES ('a', NULL)"]
    )
    async def test_a_wrong_statement_is_refused(self, database: Database, sql: str) -> None:
        with pytest.raises(StatementRefused) as refused:
            await database.write(lambda tx: tx.run(sql))
        assert not isinstance(refused.value, UniqueViolation)
        if sql.startswith("SELEC"):
            with pytest.raises(StatementRefused):
                await database.read(lambda tx: tx.all(sql))

    async def test_a_work_cannot_go_on_after_an_error(self, database: Database) -> None:
        def work(tx: Tx) -> str:
            insert(tx, "a")
            with pytest.raises(UniqueViolation):
                insert(tx, "a")
            with pytest.raises(StatementRefused):
                tx.one("SELECT 1")
            return "as if nothing had been"

        with pytest.raises(UniqueViolation):
            await database.write(work)
        assert await database.read(ids) == []

    async def test_a_transaction_does_not_leave_its_work(self, database: Database) -> None:
        kept = [await database.write(lambda tx: tx), await database.read(lambda tx: tx)]
        for tx in kept:
            with pytest.raises(StatementRefused):
                tx.all("SELECT 1")

    # values

    async def test_values_come_back_as_they_went_in(self, database: Database) -> None:
        rows: list[dict[str, Any]] = [
            {"text": "", "bytes": b"", "number": 0, "ratio": 0.0},
            {"text": None, "bytes": None, "number": None, "ratio": None},
            {"text": "naïve ☃ 😀 '\" % %s :x ::y \\ \n", "bytes": bytes(range(256)), "number": 2**63 - 1, "ratio": 0.1},
            {"text": "\u2028\ufeff", "bytes": b"\\x00", "number": -(2**63), "ratio": 1e300},
        ]
        sql = "INSERT INTO kinds (id, text, bytes, number, ratio) VALUES (:id, :text, :bytes, :number, :ratio)"
        await database.write(lambda tx: tx.many(sql, [{"id": n, **row} for n, row in enumerate(rows)]))
        back = await database.read(lambda tx: tx.all("SELECT text, bytes, number, ratio FROM kinds ORDER BY id"))
        assert [{column: row[column] for column in row.keys()} for row in back] == rows  # noqa: SIM118 - no dict
        assert [type(back[2][column]) for column in rows[2]] == [str, bytes, int, float]

    async def test_an_integer_beyond_64_bits_is_refused(self, database: Database) -> None:
        with pytest.raises(StatementRefused):
            await database.write(lambda tx: insert(tx, "a", n=2**63))

    async def test_truth_is_an_integer_and_sums_are_too(self, database: Database) -> None:
        def work(tx: Tx) -> list[Any]:
            tx.run("INSERT INTO kinds (id, number) VALUES (1, :yes), (2, :big), (3, 4)", yes=True, big=2**40)
            row = tx.one(
                "SELECT COUNT(*) AS c, SUM(number) AS s, MAX(number) AS m FROM kinds WHERE number > :no", no=False
            )
            assert row is not None
            return [row["c"], row["s"], row["m"]]

        values = await database.write(work)
        assert values == [3, 2**40 + 5, 2**40]
        assert {type(value) for value in values} == {int}

    async def test_named_values_go_in_as_what_they_are(self, database: Database) -> None:
        row = await database.read(
            lambda tx: tx.one(
                "SELECT CAST(:at AS BIGINT) AS at, CAST(:colour AS TEXT) AS colour",
                at=Instant(2**41),
                colour=Colour.RED,
            )
        )
        assert row is not None
        assert [row["at"], row["colour"]] == [2**41, "red"]

    async def test_text_around_parameters_is_left_alone(self, database: Database) -> None:
        row = await database.read(
            lambda tx: tx.one(
                """SELECT ':a %s %(a)s '' ::x' AS "quo:ted", -- :a % '
                :a AS a, CAST(:b AS TEXT) AS b, 7 % 4 AS c, 'x' LIKE '%' AS d /* :c ' */""",
                a="1",
                b=None,
            )
        )
        assert row is not None
        assert [row["quo:ted"], row["a"], row["b"], row["c"], bool(row["d"])] == [
            ":a %s %(a)s ' ::x",
            "1",
            None,
            3,
            True,
        ]

    async def test_binary_text_sorts_by_its_bytes(self, database: Database) -> None:
        keys = ["a", "B", "é", "z", "Z", "_", "-", "a-b", "ab", "a b", "A", "😀", "\uffff", "10", "9", "", "Ab"]
        await database.write(
            lambda tx: tx.many("INSERT INTO sorted (key) VALUES (:key)", [{"key": key} for key in keys])
        )
        found = await database.read(lambda tx: [row["key"] for row in tx.all("SELECT key FROM sorted ORDER BY key")])
        assert found == sorted(keys, key=str.encode)
        above = await database.read(lambda tx: tx.all("SELECT key FROM sorted WHERE key > :key", key="a b"))
        assert {row["key"] for row in above} == {key for key in keys if key.encode() > b"a b"}

    async def test_run_counts_what_it_changed(self, database: Database) -> None:
        def work(tx: Tx) -> list[int]:
            tx.many("INSERT INTO items (id, n) VALUES (:id, :n)", ({"id": str(n), "n": n} for n in range(5)))
            tx.many("INSERT INTO items (id, n) VALUES (:id, :n)", [])
            return [
                tx.run("UPDATE items SET n = 9 WHERE n >= :n", n=3),
                tx.run("UPDATE items SET n = 9 WHERE n = 77"),
                tx.run("UPDATE items SET n = 8 WHERE n = 9 RETURNING id"),
                tx.run("DELETE FROM items WHERE n < 2"),
            ]

        assert await database.write(work) == [2, 0, 2, 2]
        assert await database.read(lambda tx: tx.one("SELECT id FROM items WHERE id = 'x'")) is None

    # many callers

    async def test_racing_claims_hand_out_each_row_once(self, database: Database) -> None:
        rows = [{"id": f"{number:02}"} for number in range(40)]
        await database.write(lambda tx: tx.many("INSERT INTO items (id, n) VALUES (:id, 0)", rows))

        async def claimer(name: str) -> list[str]:
            claimed: list[str] = []
            while True:
                row = await database.write(lambda tx: tx.one(CLAIM, owner=name))
                if row is not None:
                    claimed.append(row["id"])
                elif not await database.read(lambda tx: tx.all("SELECT id FROM items WHERE owner IS NULL")):
                    return claimed

        claims = await asyncio.wait_for(asyncio.gather(*(claimer(f"claimer-{n}") for n in range(8))), WAIT_SECS)
        assert sorted(row for claimed in claims for row in claimed) == [f"{number:02}" for number in range(40)]

    async def test_rows_that_commit_in_reverse_are_all_claimed(self, database: Database) -> None:
        if not self.overlapping:
            pytest.skip("declared: one work at a time, so nothing can overlap")
        first_began, second_done = Event(), Event()

        def first(tx: Tx) -> None:
            insert(tx, "1")
            first_began.set()
            assert second_done.wait(WAIT_SECS)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(database.write(first))
            assert await asyncio.to_thread(first_began.wait, WAIT_SECS)
            await database.write(lambda tx: insert(tx, "2"))
            claimed = [await database.write(lambda tx: [row["id"] for row in tx.all(CLAIM, owner="me")])]
            second_done.set()
        claimed.append(await database.write(lambda tx: [row["id"] for row in tx.all(CLAIM, owner="me")]))
        assert claimed == [["2"], ["1"]]

    async def test_a_caller_that_leaves_disturbs_nobody(self, database: Database) -> None:
        def work(tx: Tx, number: int) -> None:
            insert(tx, f"{number:02}-a")
            insert(tx, f"{number:02}-b")

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(database.write(partial(work, number=number))) for number in range(20)]
            await asyncio.wait(tasks, timeout=0)
            for task in tasks[::2]:
                task.cancel()
        assert not any(task.cancelled() for task in tasks[1::2])
        found = await database.read(ids)
        for number in range(20):
            rows = {f"{number:02}-a", f"{number:02}-b"} & set(found)
            assert len(rows) == 2 or (number % 2 == 0 and not rows)

    # the end

    async def test_close_finishes_what_is_waiting(self, database: Database) -> None:
        listener = database.listen("items")
        waiting = asyncio.gather(*(database.write(nothing) for _ in range(30)), return_exceptions=True)
        await asyncio.wait([waiting], timeout=0)
        await asyncio.wait_for(database.close(), WAIT_SECS)
        await asyncio.wait_for(database.close(), WAIT_SECS)
        results = await asyncio.wait_for(waiting, WAIT_SECS)
        assert all(result == 1 or isinstance(result, BackendUnavailable) for result in results)
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(listener), WAIT_SECS)
        with pytest.raises(BackendUnavailable):
            await database.write(nothing)
        with pytest.raises(BackendUnavailable):
            await database.read(nothing)
