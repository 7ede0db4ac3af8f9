"""PostgreSQL behind the database port: grouped writes in a few threads, snapshots in others, NOTIFY for wakes.

Writes are READ COMMITTED with compare-and-set in the statements; a work that met a deadlock, or whose group could not
be committed, is run again alone. Only this file and ``postgres_connection`` import psycopg.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import CodeType
from typing import Any, ClassVar, TypeVar, cast

import msgspec
import psycopg
from psycopg.pq import TransactionStatus

from actorium.database import Row, StatementRefused, UniqueViolation, Work, catalog
from actorium.database.dialect import numbered
from actorium.database.grouping import Job, RunAgain, Writers, run_group
from actorium.database.notices import Notices
from actorium.database.postgres_connection import Connection, connect
from actorium.database.wakes import Listener, Wake, Wakes
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import (
    POSTGRES_NOTIFY_BYTES_MAX,
    POSTGRES_READERS,
    POSTGRES_WRITERS,
    WRITE_TRIES_MAX,
)

T = TypeVar("T")

CHANNEL = "actorium"
WRITING = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_AGAIN = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, a lock not had in time
_READ_ONLY = "25006"
_LOCK = 1_097_036_911  # "Acto": one migration at a time


class Postgres:
    """A database on a PostgreSQL server, shared by any number of Actorium processes."""

    preamble: tuple[str, ...] = (
        f"SELECT pg_advisory_xact_lock({_LOCK})",
        """DO $do$ BEGIN
          IF to_regtype('binary_text') IS NULL THEN CREATE DOMAIN BINARY_TEXT AS TEXT COLLATE "C"; END IF;
        END $do$""",
    )

    catalog = catalog.POSTGRES

    def __init__(self, url: str, *, writers: int, readers: int, wakes: Wakes, notices: Notices) -> None:
        self._wakes = wakes
        self._notices = notices
        self._writers = Writers([PostgresSession(url, WRITING) for _ in range(writers)], committed=lambda _: None)
        self._idle = deque(ReadingSession(url) for _ in range(readers))
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="database-reader")
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, writers: int = POSTGRES_WRITERS, readers: int = POSTGRES_READERS) -> Postgres:
        """Connect to ``postgresql://…`` or ``postgres://…``. Raises BackendUnavailable, with what to do about it."""
        wakes = Wakes()
        notices = await Notices.open(partial(_Listening, url), wakes)
        return cls(url, writers=writers, readers=readers, wakes=wakes, notices=notices)

    async def read(self, work: Work[T], /) -> T:
        """Run the work in a thread, on a snapshot of its own. One statement is one: it costs one round trip."""
        if self._closed:
            raise BackendUnavailable("The database is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T], /, *, lane: str = "") -> T:
        """Hand the work to a writer; returns when the server has committed it."""
        return await self._writers.write(work, lane=lane)

    def version(self) -> int | None:
        """Not told: asking costs as much as reading."""
        return None

    def listen(self, channel: str) -> Listener:
        """Wakes of every process on this database. After a lost connection: read everything."""
        return self._wakes.listen(channel)

    async def close(self) -> None:
        """Finish what is waiting and disconnect."""
        if not self._closed:
            self._closed = True
            self._wakes.close()
            await self._notices.close()
            await asyncio.to_thread(self._readers.shutdown)
            for session in self._idle:
                session.close()
        await self._writers.close()

    def _read(self, work: Work[T]) -> T:
        session = self._idle.pop()  # there are as many as threads
        try:
            return session.read(work)
        finally:
            self._idle.append(session)


class PostgresTx:
    """A transaction on one connection; with ``is_single`` a statement without one, and a second is ``TooMany``."""

    def __init__(self, connection: Connection, *, is_single: bool = False) -> None:
        self._connection = connection
        self._is_single = is_single
        self._count = 0
        self._changed = False
        self.wakes: list[Wake] = []
        self.failure: Exception | None = None

    def all(self, sql: str, /, **params: Any) -> list[Row]:
        cursor = self._execute(sql, params)
        return cast("list[Row]", cursor.fetchall()) if cursor.description is not None else []

    def one(self, sql: str, /, **params: Any) -> Row | None:
        cursor = self._execute(sql, params)
        return cast("Row | None", cursor.fetchone()) if cursor.description is not None else None

    def held(self, sql: str, /, **params: Any) -> Row | None:
        return self.one(f"{sql} FOR UPDATE", **params)

    def run(self, sql: str, /, **params: Any) -> int:
        return max(self._execute(sql, params).rowcount, 0)

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> int:
        self._count += 1  # never alone
        self._must_go_on()
        self._changed = True
        text, names = numbered(sql)
        try:
            cursor = self._connection.cursor()
            cursor.executemany(cast("Any", text), [[row[name] for name in names] for row in rows])
        except (psycopg.Error, OverflowError, struct.error, KeyError) as error:
            raise self._fail(error) from error
        return max(cursor.rowcount, 0)

    def wake(self, channel: str, key: str) -> None:
        self.wakes.append((channel, key))

    def spoilt(self) -> bool:
        """Whether a work that ends here with an error leaves changes or a broken transaction behind."""
        return self._changed or self.failure is not None

    def end(self) -> None:
        """Refuse every later statement: a transaction is not to leave its work."""
        if self.failure is None:
            self.failure = StatementRefused("the transaction was used outside its work")

    def _execute(self, sql: str, params: Mapping[str, Any]) -> psycopg.Cursor[dict[str, Any]]:
        self._must_go_on()
        text, names = numbered(sql)
        try:
            cursor = self._connection.execute(cast("Any", text), [params[name] for name in names], binary=True)
        except (psycopg.Error, OverflowError, struct.error, KeyError) as error:
            raise self._fail(error) from error
        if cursor.rowcount and not (cursor.statusmessage or "").startswith("SELECT"):
            self._changed = True
        return cursor

    def _must_go_on(self) -> None:
        if self._is_single and self._count and self.failure is None:
            self.failure = TooMany()
        if self.failure is not None:
            raise self.failure
        self._count += 1

    def _fail(self, error: Exception) -> Exception:
        if isinstance(error, psycopg.errors.FeatureNotSupported) and "cached plan" in str(error):
            self._connection.close()  # another server has changed the schema: prepare everything anew
        self.failure = translated(error, lost=self._connection.closed)
        return self.failure


class PostgresSession:
    """One connection that is made when it is needed and again when it was lost, as a group of works sees it."""

    tries = WRITE_TRIES_MAX

    def __init__(self, url: str, begin: str) -> None:
        self._url = url
        self._begin = begin
        self._connection: Connection | None = None
        self._in_savepoint = False

    def begin(self) -> None:
        if self._connection is not None:
            try:
                self._control(self._begin)
            except RunAgain:
                self._drop()  # it was lost while idle
        if self._connection is None:
            self._connect()
            self._control(self._begin)

    def tx(self) -> PostgresTx:
        return PostgresTx(self._open())

    def savepoint(self) -> None:
        self._control("RELEASE SAVEPOINT work; SAVEPOINT work" if self._in_savepoint else "SAVEPOINT work")
        self._in_savepoint = True

    def undo(self) -> None:
        self._control("ROLLBACK TO SAVEPOINT work")

    def commit(self, wakes: Sequence[Wake]) -> None:
        connection = self._open()
        try:
            if wakes and self._begin == WRITING:
                connection.execute("SELECT pg_notify($1, p) FROM unnest($2::text[]) p", [CHANNEL, payloads(wakes)])
        except psycopg.Error as error:
            raise RunAgain from error
        try:
            status = connection.execute("COMMIT", prepare=False).statusmessage
        except psycopg.Error as error:
            if connection.closed:
                raise BackendUnavailable(
                    "The connection to the database was lost during a commit: the change may or may not be there."
                ) from error
            raise RunAgain from error
        if status != "COMMIT":
            raise RunAgain
        self._in_savepoint = False

    def rollback(self) -> None:
        self._in_savepoint = False
        connection = self._connection
        if connection is None or connection.info.transaction_status == TransactionStatus.IDLE:
            return
        try:
            connection.execute("ROLLBACK", prepare=False)
        except psycopg.Error:
            self._drop()

    def rest(self) -> bool:
        return False

    def close(self) -> None:
        self._drop()

    def _connect(self) -> None:
        try:
            self._connection = connect(self._url)
        except BackendUnavailable as error:
            raise BackendUnavailable from error  # callers need not know addresses and users

    def _open(self) -> Connection:
        if self._connection is None:
            raise RunAgain
        return self._connection

    def _control(self, sql: str) -> None:
        try:
            self._open().execute(cast("Any", sql), prepare=False)
        except psycopg.Error as error:
            raise RunAgain from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class TooMany(RunAgain):
    """The work has a second statement: it needs a transaction, so that both see the same."""


class ReadingSession(PostgresSession):
    """A connection that only reads. A work with one statement is run without a transaction.

    Whether it has more shows when it is run. Then it is run again in a transaction, and so from the start from then on.
    """

    _longer: ClassVar[set[CodeType]] = set()
    """The code of works that have more than one statement."""

    def __init__(self, url: str) -> None:
        super().__init__(url, READING)
        self._is_single = False
        self._tx: PostgresTx | None = None

    def read(self, work: Work[T]) -> T:
        """What the work returns; raises what it raises."""
        code = _code(work)
        self._is_single = code is not None and code not in self._longer
        job = Job(work)
        run_group(self, [job])
        if code is not None and not self._is_single:
            self._longer.add(code)
        return job.result()

    def begin(self) -> None:
        if not self._is_single:
            super().begin()
        elif self._connection is None or self._connection.closed:
            self._connect()

    def tx(self) -> PostgresTx:
        self._tx = PostgresTx(self._open(), is_single=self._is_single)
        return self._tx

    def commit(self, wakes: Sequence[Wake]) -> None:
        if not self._is_single:
            super().commit(wakes)

    def rollback(self) -> None:
        if self._tx is not None and isinstance(self._tx.failure, TooMany):
            self._is_single = False
        super().rollback()

    def _connect(self) -> None:
        super()._connect()
        self._control(f"SET SESSION CHARACTERISTICS AS TRANSACTION {READING.removeprefix('BEGIN ')}")


def _code(work: Work[Any]) -> CodeType | None:
    """What a work does, the same for each of its calls."""
    while isinstance(work, partial):
        work = work.func
    code = getattr(work, "__code__", None)
    return code if isinstance(code, CodeType) else None


class _Listening:
    """A connection that listens to every Actorium process on the database."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url)
        self._connection.execute(f"LISTEN {CHANNEL}", prepare=False)

    def fileno(self) -> int:
        return self._connection.fileno()

    def wakes(self) -> list[Wake]:
        """What has arrived. Raises BackendUnavailable when the connection is lost."""
        found: list[Wake] = []
        try:
            self._connection.pgconn.consume_input()
            while (notice := self._connection.pgconn.notifies()) is not None:
                found += told(notice.extra)
        except psycopg.Error as error:
            raise BackendUnavailable from error
        return found

    def close(self) -> None:
        self._connection.close()


def translated(error: Exception, *, lost: bool) -> Exception:
    """What the port says for what the driver says."""
    if not isinstance(error, psycopg.Error):
        return StatementRefused(f"{type(error).__name__}: {error}")  # no such parameter, or an integer beyond 64 bits
    if lost or error.sqlstate in _AGAIN:
        return RunAgain()
    if isinstance(error, psycopg.errors.UniqueViolation):
        return UniqueViolation(str(error))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return BackendUnavailable()
    if isinstance(error, psycopg.InternalError) and error.sqlstate != _READ_ONLY:
        return BackendUnavailable()
    return StatementRefused(str(error))


def payloads(wakes: Sequence[Wake]) -> list[str]:
    """One notification a channel: its name and its keys, or its name alone if they would not fit."""
    channels: dict[str, set[str]] = {}
    for channel, key in wakes:
        channels.setdefault(channel, set()).add(key)
    texts = []
    for channel, keys in channels.items():
        text = msgspec.json.encode([channel, *sorted(keys)])
        if len(text) > POSTGRES_NOTIFY_BYTES_MAX or "" in keys:
            text = msgspec.json.encode([channel])
        texts.append(text.decode())
    return texts


def told(payload: bytes) -> list[Wake]:
    """The wakes of one notification. Anybody on the database may send one, so what is not ours is nothing."""
    try:
        channel, *keys = msgspec.json.decode(payload, type=list[str])
    except (msgspec.MsgspecError, ValueError):
        return []
    return [(channel, key) for key in keys or [""]]
