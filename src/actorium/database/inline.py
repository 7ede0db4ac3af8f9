"""The database port in one thread: SQLite in memory, every work run where it is asked for.

For the simulator and for unit tests: same calls, same order, no thread, so the same seed gives the same trace.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import nullcontext
from typing import TypeVar

from actorium.database import StatementRefused, Work, catalog
from actorium.database.grouping import Job, run_group
from actorium.database.sqlite import MEMORY, SQLiteSession, SQLiteTx, connect
from actorium.database.wakes import Listener, Wakes
from actorium.kernel.errors import BackendUnavailable

T = TypeVar("T")


class Inline:
    """A database in memory that ends with this object."""

    preamble: tuple[str, ...] = ()
    catalog = catalog.SQLITE

    def __init__(self) -> None:
        self._connection = connect(MEMORY)
        self._session = SQLiteSession(self._connection, nullcontext())
        self._wakes = Wakes()
        self._closed = False

    @classmethod
    async def open(cls) -> Inline:
        """A new, empty database."""
        return cls()

    def copy(self) -> Inline:
        """Another database with the same rows: much quicker than writing them again."""
        made = Inline()
        self._connection.backup(made._connection)
        return made

    async def read(self, work: Work[T], /) -> T:
        """Run the work, read only."""
        await _Turn()
        self._must_be_open()
        self._connection.execute("BEGIN")
        tx: SQLiteTx = self._session.tx()
        try:
            found = work(tx)
            if tx.spoilt():
                raise StatementRefused("a reading work has written")
            return found
        finally:
            tx.end()
            self._connection.execute("ROLLBACK")  # PRAGMA query_only would compile every statement anew

    async def write(self, work: Work[T], /, *, lane: str = "") -> T:  # noqa: ARG002 - there is one writer
        """Run the work in a transaction of its own. A caller cancelled at the second await has written."""
        await _Turn()
        self._must_be_open()
        job = Job(work)
        run_group(self._session, [job])
        self._wakes.publish(job.wakes)
        await _Turn()
        return job.result()

    def version(self) -> int | None:
        """Not told: one connection does everything."""
        return None

    def listen(self, channel: str) -> Listener:
        return self._wakes.listen(channel)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._wakes.close()
            self._connection.close()

    def _must_be_open(self) -> None:
        if self._closed:
            raise BackendUnavailable("The database is closed.")


class _Turn:
    """One turn of the event loop: the places where a simulated crash can strike."""

    def __await__(self) -> Generator[None, None, None]:
        yield
