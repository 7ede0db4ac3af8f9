"""What every database must do about wakes; part of its suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from actorium.database import Database, Tx
from actorium.kernel.store_limits import WAKE_KEYS_MAX

WAIT_SECS = 20


class WakesConformance:
    """Uses the fixture ``database``, which has the table ``items``."""

    async def test_a_wake_comes_after_its_commit(self, database: Database) -> None:
        listener = database.listen("items")

        def work(tx: Tx) -> None:
            tx.wake("items", "a")
            tx.wake("others", "z")
            tx.run("INSERT INTO items (id, n) VALUES ('a', 1)")

        await database.write(work)
        assert await asyncio.wait_for(anext(listener), WAIT_SECS) == {"a"}
        assert len(await database.read(lambda tx: tx.all("SELECT id FROM items"))) == 1

    async def test_a_work_that_failed_wakes_nobody(self, database: Database) -> None:
        listener = database.listen("items")

        def work(tx: Tx, key: str, *, fails: bool) -> None:
            tx.wake("items", key)
            if fails:
                raise LookupError

        works = [partial(work, key=str(number), fails=number % 2 == 0) for number in range(10)]
        await asyncio.gather(*(database.write(one) for one in works), return_exceptions=True)
        await database.write(partial(work, key="last", fails=False))
        assert await _collect(listener, until="last") == {"1", "3", "5", "7", "9", "last"}

    async def test_wakes_are_coalesced_until_they_are_read(self, database: Database) -> None:
        slow, quick = database.listen("items"), database.listen("items")
        for key in ["a", "b", "a", "c", "last"]:
            await database.write(lambda tx, key=key: tx.wake("items", key))  # type: ignore[misc]
        assert await _collect(quick, until="last") == {"a", "b", "c", "last"}
        assert await asyncio.wait_for(anext(slow), WAIT_SECS) == {"a", "b", "c", "last"}

    async def test_too_many_wakes_mean_everything(self, database: Database) -> None:
        listener, other = database.listen("items"), database.listen("others")

        def work(tx: Tx) -> None:
            for number in range(WAKE_KEYS_MAX + 1):
                tx.wake("items", f"key-{number:05}-{'x' * 20}")
            tx.wake("others", "a")

        await database.write(work)
        assert await asyncio.wait_for(anext(other), WAIT_SECS) == {"a"}
        assert await asyncio.wait_for(anext(listener), WAIT_SECS) == frozenset()


async def _collect(listener: AsyncIterator[frozenset[str]], *, until: str) -> set[str]:
    """What a listener is told, step by step, until a key comes."""
    keys: set[str] = set()
    while until not in keys:
        keys |= await asyncio.wait_for(anext(listener), WAIT_SECS)
    return keys
