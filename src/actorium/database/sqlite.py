"""SQLite behind the database port: reads on the event loop, writes grouped by one thread, every commit synced.

A point read costs some ten microseconds and a hop to a thread five times that, so reads run where they are asked for.
The write-ahead log lets them see the last commit while the writer works on the next.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from actorium.database import Row, StatementRefused, UniqueViolation, Work, catalog
from actorium.database.grouping import RunAgain, Writers
from actorium.database.wakes import Listener, Wake, Wakes
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import (
    SQLITE_BUSY_SECS,
    SQLITE_CACHE_KBYTES,
    SQLITE_CHECKPOINT_PAGES,
    SQLITE_FREE_PAGES_KEPT,
    SQLITE_VACUUM_PAGES,
    SQLITE_WAL_BYTES_KEPT,
)

T = TypeVar("T")

MEMORY = ":memory:"
VERSION_MIN = (3, 37, 0)  # RETURNING, and memory databases that two connections share
VERSION_FRESH_SECS = 0.01  # what other processes commit is noticed so late at the most: those are commands of people
STATEMENTS_CACHED = 512  # more than the server has
_memory_names = itertools.count()
_REFUSALS = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_TOOBIG,
}
_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}


class SQLite:
    """A database in one file, or in memory for tests."""

    preamble: tuple[str, ...] = ()
    catalog = catalog.SQLITE

    def __init__(
        self, reader: sqlite3.Connection, writer: sqlite3.Connection, turn: AbstractContextManager[Any]
    ) -> None:
        self._reader = reader
        self._turn = turn
        self._wakes = Wakes()
        self._writers = Writers([SQLiteSession(writer, turn)], committed=self._committed)
        self._seen: tuple[float, int] | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: str | Path) -> SQLite:
        """Open or create the file; its folder must exist. ``:memory:`` is a new database that ends with this object."""
        turn: AbstractContextManager[Any] = nullcontext()
        if str(path) == MEMORY:
            turn = Lock()  # a memory database has no log to read beside the writer
        uri = (
            f"file:/actorium-{next(_memory_names)}?vfs=memdb" if str(path) == MEMORY else Path(path).absolute().as_uri()
        )
        reader, writer = await asyncio.to_thread(_connect_both, uri, path)
        return cls(reader, writer, turn)

    async def read(self, work: Work[T], /) -> T:
        """Run the work here and now, on the last commit."""
        if self._closed:
            raise BackendUnavailable("The database is closed.")
        execute = self._reader.execute
        with self._turn:
            try:
                execute("BEGIN")
            except sqlite3.Error as error:
                raise translated(error) from error
            tx = SQLiteTx(self._reader)
            try:
                return work(tx)
            finally:
                tx.end()
                with suppress(sqlite3.Error):
                    execute("ROLLBACK")

    async def write(self, work: Work[T], /, *, lane: str = "") -> T:  # noqa: ARG002 - there is one writer
        """Hand the work to the writer; returns when its commit is on disk."""
        return await self._writers.write(work)

    def version(self) -> int | None:
        """SQLite's own count of what other connections committed: at once what this process committed, a moment
        later what another did."""
        if self._closed:
            return None
        now = asyncio.get_running_loop().time()
        if self._seen is not None and now - self._seen[0] < VERSION_FRESH_SECS:
            return self._seen[1]
        with self._turn:
            version: int = self._reader.execute("PRAGMA data_version").fetchone()[0]
        self._seen = (now, version)
        return version

    def _committed(self, wakes: list[Wake]) -> None:
        self._seen = None
        self._wakes.publish(wakes)

    def listen(self, channel: str) -> Listener:
        """Wakes of this process: SQLite has one server."""
        return self._wakes.listen(channel)

    async def close(self) -> None:
        """Finish what is waiting; the log is folded into the file."""
        if not self._closed:
            self._closed = True
            self._reader.close()  # first: the last connection to leave tidies up, and only a writer can
            self._wakes.close()
        await self._writers.close()


class SQLiteTx:
    """A transaction on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes = connection.total_changes
        self._execute: Callable[[str, Mapping[str, Any]], sqlite3.Cursor] = connection.execute
        self._executemany: Callable[[str, Iterable[Mapping[str, Any]]], sqlite3.Cursor] = connection.executemany
        self.wakes: list[Wake] = []
        self.failure: Exception | None = None

    def all(self, sql: str, /, **params: Any) -> list[Row]:
        try:
            return self._execute(sql, params).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            raise self._fail(error) from error

    def one(self, sql: str, /, **params: Any) -> Row | None:
        try:
            cursor = self._execute(sql, params)
            row: Row | None = cursor.fetchone()
            cursor.close()
        except (sqlite3.Error, OverflowError) as error:
            raise self._fail(error) from error
        return row

    def held(self, sql: str, /, **params: Any) -> Row | None:
        return self.one(sql, **params)  # whoever writes is alone: BEGIN IMMEDIATE

    def run(self, sql: str, /, **params: Any) -> int:
        try:
            cursor = self._execute(sql, params)
            if cursor.description is not None:
                return len(cursor.fetchall())  # RETURNING: the count is only known at the end
        except (sqlite3.Error, OverflowError) as error:
            raise self._fail(error) from error
        if cursor.rowcount < 0:
            self._changes = -1  # no INSERT, UPDATE or DELETE: maybe a change that SQLite does not count
        return max(cursor.rowcount, 0)

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> int:
        try:
            return max(self._executemany(sql, rows).rowcount, 0)
        except (sqlite3.Error, OverflowError) as error:
            raise self._fail(error) from error

    def wake(self, channel: str, key: str) -> None:
        self.wakes.append((channel, key))

    def spoilt(self) -> bool:
        """Whether a work that ends here with an error leaves changes behind."""
        return self.failure is not None or self._connection.total_changes != self._changes

    def end(self) -> None:
        """Refuse every later statement: a transaction is not to leave its work."""
        if self.failure is None:
            self.failure = StatementRefused("the transaction was used outside its work")
        self._execute = self._executemany = self._refuse

    def _fail(self, error: Exception) -> Exception:
        # SQLite would go on after most errors and PostgreSQL after none: the stricter rule holds for both
        self.failure = translated(error)
        self._execute = self._executemany = self._refuse
        return self.failure

    def _refuse(self, *_: object) -> sqlite3.Cursor:
        raise self.failure or StatementRefused("the transaction is over")


class SQLiteSession:
    """The writing connection, as a group of works sees it."""

    tries = 1

    def __init__(self, connection: sqlite3.Connection, turn: AbstractContextManager[Any]) -> None:
        self._connection = connection
        self._turn = turn
        self._holds_turn = False
        self._in_savepoint = False
        self._log_is_long = False
        """The write-ahead log holds pages that were given back: it has grown by them."""

    def begin(self) -> None:
        self._turn.__enter__()
        self._holds_turn = True
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    def tx(self) -> SQLiteTx:
        return SQLiteTx(self._connection)

    def savepoint(self) -> None:
        if self._in_savepoint:
            self._within("RELEASE work")
        self._within("SAVEPOINT work")
        self._in_savepoint = True

    def undo(self) -> None:
        self._within("ROLLBACK TO work")

    def commit(self, wakes: Sequence[Wake]) -> None:  # noqa: ARG002 - they stay in the process
        self._within("COMMIT")
        self._end()

    def rollback(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        self._end()

    def rest(self) -> bool:
        """Give free pages back to the disk, and then what the log grew by."""
        try:
            with self._turn:
                (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
                if free <= SQLITE_FREE_PAGES_KEPT:
                    self._cut_log()
                    return False
                self._connection.execute(f"PRAGMA incremental_vacuum({SQLITE_VACUUM_PAGES})").fetchall()
                self._log_is_long = True
        except sqlite3.Error:
            return False  # the disk is full or busy; the next write meets that and reports it
        return True

    def _cut_log(self) -> None:
        """Fold the log into the file and empty it, if nobody reads from it; else after a later write."""
        if not self._log_is_long:
            return
        self._connection.execute("PRAGMA busy_timeout = 0").fetchall()
        try:
            (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {round(SQLITE_BUSY_SECS * 1000)}").fetchall()
        self._log_is_long = bool(busy)

    def close(self) -> None:
        self._connection.close()

    def _within(self, sql: str) -> None:
        """A step of an open transaction: SQLite rolls all of it back when the disk is full, so works may run again."""
        try:
            self._connection.execute(sql)
        except sqlite3.Error as error:
            raise RunAgain(_unavailable(error).message) from error

    def _end(self) -> None:
        self._in_savepoint = False
        if self._holds_turn:
            self._holds_turn = False
            self._turn.__exit__(None, None, None)


def connect(uri: str) -> sqlite3.Connection:
    """A connection as this project uses it; creates the database if it is not there."""
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=SQLITE_BUSY_SECS,
        isolation_level=None,  # transactions are begun here, not guessed by the driver
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    connection.row_factory = sqlite3.Row
    for pragma in (
        "auto_vacuum = INCREMENTAL",  # before the first table, or never
        "journal_mode = WAL",
        "synchronous = FULL",
        f"wal_autocheckpoint = {SQLITE_CHECKPOINT_PAGES}",
        f"journal_size_limit = {SQLITE_WAL_BYTES_KEPT}",
        "foreign_keys = ON",
        f"cache_size = -{SQLITE_CACHE_KBYTES}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def is_used(path: Path) -> bool:
    """Whether another connection has the file open: in the mode of this project nobody else can have it alone then."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    except sqlite3.DatabaseError:
        return False  # it is no database: opening it says so
    finally:
        connection.close()
    return False


def translated(error: Exception) -> Exception:
    """What the port says for what the driver says."""
    if not isinstance(error, sqlite3.Error):
        return StatementRefused(str(error))  # an integer beyond 64 bits
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code in _UNIQUE:
        return UniqueViolation(str(error))
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.DataError):
        return StatementRefused(str(error))
    if code is not None and code & 0xFF in _REFUSALS:
        return StatementRefused(str(error))
    return _unavailable(error)


def _unavailable(error: sqlite3.Error) -> BackendUnavailable:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return BackendUnavailable("The disk of the database is full. Free some space, then try again.")
    if code == sqlite3.SQLITE_BUSY:
        return BackendUnavailable("Another program holds the database file. Please try again later.")
    return BackendUnavailable()


def _connect_both(uri: str, path: str | Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    if sqlite3.sqlite_version_info < VERSION_MIN:
        needed = ".".join(str(part) for part in VERSION_MIN)
        raise BackendUnavailable(f"SQLite {sqlite3.sqlite_version} is too old: Actorium needs {needed} or newer.")
    try:
        if str(path) != MEMORY:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # what is inside is nobody else's
        writer = connect(uri)
        reader = connect(uri)
        reader.execute("PRAGMA query_only = ON")
    except (OSError, sqlite3.Error) as error:
        raise BackendUnavailable(
            f"Cannot open the database {path}: {error}. "
            "Its folder must exist and be writable, and the file be SQLite's."
        ) from error
    return reader, writer
