"""Logs: what is appended is read back whole, stamped, capped, masked and followed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from actorium.database.migrate import migrate
from actorium.database.sqlite import SQLite
from actorium.events.waiters import Waiters
from actorium.kernel.instant import Instant
from actorium.kernel.limits import LOG_BYTES_MAX
from actorium.kernel.principal import Principal
from actorium.logs import service
from actorium.logs.service import LogNotFound, Logs, Subject

pytestmark = pytest.mark.anyio
ALICE = Principal(user_id="alice", username="alice", number=1)
BOB = Principal(user_id="bob", username="bob", number=2)
T0 = Instant(1_700_000_000_123)
PREFIX = b"2023-11-14T22:13:20.123Z "


class World:
    def __init__(self, database: SQLite) -> None:
        self.database = database
        self.waiters = Waiters(database)
        self.logs = Logs(database, self.waiters)
        self.live = True
        self.logs.subjects(self._find)

    async def _find(self, principal: Principal, subject_id: str) -> Subject | None:
        if principal != ALICE or subject_id != "run":
            return None
        return Subject(id="run", channel="runs", live=self.live)

    async def text(self, *, raw: bool = True) -> bytes:
        subject = await self.logs.subject(ALICE, "run")
        return b"".join([piece async for piece in self.logs.read(subject, raw=raw)])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    database = await SQLite.open(":memory:")
    await migrate(database, now=T0)
    made = World(database)
    await database.write(lambda tx: made.logs.create_in(tx, subject_id="run", owner_id="alice"))
    yield made
    await database.close()


async def test_each_line_has_its_time(world: World) -> None:
    await world.logs.append("run", [(T0, b"one"), (T0.plus(millis=1), b"")])
    assert await world.text() == PREFIX + b"one\n2023-11-14T22:13:20.124Z \n"
    assert len(PREFIX) == 25


async def test_bytes_that_are_no_utf8_are_replaced(world: World) -> None:
    await world.logs.append("run", [(T0, b"caf\xe9 \xf0\x9f")])
    assert (await world.text()).decode() == PREFIX.decode() + "caf\ufffd \ufffd\n"


async def test_every_physical_line_has_the_time_whatever_its_ends(world: World) -> None:
    await world.logs.append("run", [(T0, b"one\r"), (T0, b"10%\r20%\r\r\nlast\n\nend"), (T0, b"\r")])
    lines = (await world.text()).splitlines()
    assert all(line.startswith(PREFIX) for line in lines)
    assert [line[25:] for line in lines] == [b"one", b"10%", b"20%", b"last", b"", b"end", b""]


async def test_many_appends_read_as_one_text(world: World) -> None:
    lines = [(T0, b"line %d %s" % (number, b"x" * (number % 700))) for number in range(3000)]
    for start in range(0, len(lines), 100):
        await world.logs.append("run", lines[start : start + 100])
    assert await world.text() == b"".join(PREFIX + line + b"\n" for _, line in lines)


async def test_the_cap_ends_the_log_with_one_notice(world: World) -> None:
    line = (T0, b"x" * 60_000)
    for _ in range(LOG_BYTES_MAX // 60_000 + 3):
        await world.logs.append("run", [line])
    await world.logs.append("run", [(T0, b"later")])
    text = await world.text()
    assert len(text) < LOG_BYTES_MAX + 1000
    assert text.count(b"reached its limit") == 1
    assert text.endswith(b"later lines are dropped.\n")


async def test_a_container_is_taken_in_once(world: World) -> None:
    await world.database.write(
        lambda tx: world.logs.take_in(tx, "run", container="run-1", cursor="5", lines=[(T0, b"a")])
    )
    assert await world.database.read(lambda tx: world.logs.cursor_in(tx, "run", "run-1")) == "5"
    assert await world.database.read(lambda tx: world.logs.cursor_in(tx, "run", "run-2")) is None


async def test_others_do_not_learn_that_there_is_one(world: World) -> None:
    for principal, subject_id in ((BOB, "run"), (ALICE, "other")):
        with pytest.raises(LogNotFound):
            await world.logs.subject(principal, subject_id)


async def test_a_follower_gets_what_was_and_what_comes_until_the_end(world: World) -> None:
    await world.logs.append("run", [(T0, b"before")])
    got: list[bytes] = []
    subject = await world.logs.subject(ALICE, "run")
    async with anyio.create_task_group() as group:
        group.start_soon(world.waiters.run, service.CHANNEL)

        async def follow() -> None:
            async for piece in world.logs.follow(ALICE, subject, raw=True):
                got.append(piece)
                if b"before" in piece:
                    await world.logs.append("run", [(T0, b"after")])
                if b"after" in piece:
                    world.live = False
                    world.waiters.strike("runs", frozenset({"run"}))
            group.cancel_scope.cancel()

        with anyio.fail_after(10):
            await follow()
    assert b"".join(got) == PREFIX + b"before\n" + PREFIX + b"after\n"
