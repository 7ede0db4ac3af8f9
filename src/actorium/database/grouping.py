"""Grouped commits: many callers' works in one transaction, each of them whole or not at all, one sync for all.

Knows no engine. An engine gives a ``Session``; this file decides what runs together, what runs again alone, and who is
told what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from operator import attrgetter
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

from actorium.database import Tx, Work
from actorium.database.wakes import Wake
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import WRITES_PER_COMMIT_MAX, WRITES_WAITING_MAX

T = TypeVar("T")


class RunAgain(BackendUnavailable):
    """The transaction was rolled back whole and by no fault of its works; they may be run again."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or BackendUnavailable().message)


class GroupTx(Tx, Protocol):
    """A transaction as the group sees it: what its work asked to wake, and what went wrong in it."""

    wakes: list[Wake]
    failure: Exception | None

    def spoilt(self) -> bool:
        """Whether a work that ends here with an error leaves changes or a broken transaction behind."""
        ...

    def end(self) -> None:
        """Refuse every later statement."""
        ...


class Session(Protocol):
    """One connection that writes. ``BackendUnavailable`` from it concerns every work of the group."""

    tries: int  # how often a work that must run alone is run

    def begin(self) -> None: ...

    def tx(self) -> GroupTx:
        """A fresh view of the open transaction, for one work."""
        ...

    def savepoint(self) -> None:
        """Keep what was done since the last savepoint, and set the next."""
        ...

    def undo(self) -> None:
        """Go back to the last savepoint."""
        ...

    def commit(self, wakes: Sequence[Wake]) -> None:
        """Make it durable. ``RunAgain`` only if it is certain that nothing was committed."""
        ...

    def rollback(self) -> None:
        """Drop the transaction, if there is one; never raises."""
        ...

    def rest(self) -> bool:
        """Do a bit of housekeeping while nobody waits; whether there is more to do."""
        ...

    def close(self) -> None: ...


class Job(Generic[T]):
    """A work, and what came of it."""

    __slots__ = ("error", "future", "spoilt", "value", "wakes", "work")

    def __init__(self, work: Work[T], future: asyncio.Future[T] | None = None) -> None:
        self.work = work
        self.future = future
        self.value: T | None = None
        self.error: BaseException | None = None
        self.spoilt = False
        """It failed, and has to be taken out of its transaction."""
        self.wakes: list[Wake] = []

    def run(self, tx: GroupTx) -> None:
        """Run the work once and note what it gives or raises. Only ``RunAgain`` passes."""
        self.value, self.error, self.wakes = None, None, []
        with self:
            self.value = self.work(tx)
        failure, changed = tx.failure, tx.spoilt()
        tx.end()
        if isinstance(failure, RunAgain):
            raise failure
        if self.error is None and failure is not None:
            self.error = failure  # the work swallowed it, but what it did is lost
        self.spoilt = changed and self.error is not None
        if self.error is None:
            self.wakes = tx.wakes

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[True]:
        self.error = error
        return True

    def fail(self, error: BackendUnavailable) -> None:
        """Note that the engine could not do it. Each caller gets an error of its own: tracebacks are not shared."""
        self.value, self.wakes = None, []
        self.error = BackendUnavailable(error.message)
        self.error.__cause__ = error

    def result(self) -> T:
        """What the work returned; raises what it raised."""
        if self.error is not None:
            raise self.error
        return cast("T", self.value)

    def answer(self) -> None:
        """Tell the caller, unless it has gone."""
        future, error, self.error = self.future, self.error, None
        if future is None or future.done():
            return
        if error is None:
            future.set_result(cast("T", self.value))
        elif isinstance(error, StopIteration):  # a future cannot carry it
            future.set_exception(RuntimeError("a work raised StopIteration"))
        else:
            future.set_exception(error)


def run_group(session: Session, jobs: Sequence[Job[Any]]) -> None:
    """Run the works together; if that fails for a reason outside them, each again alone. Never raises."""
    try:
        _together(session, jobs)
    except RunAgain:
        _apart(session, jobs)
    except BackendUnavailable as error:
        for job in jobs:
            job.fail(error)


def _together(session: Session, jobs: Sequence[Job[Any]]) -> None:
    """In one transaction. Savepoints cost as much as a statement each, and failed works that have changed something
    are rare: so first without any, and if there was such a work, once more from the start with them."""
    try:
        session.begin()
        if not _straight(session, jobs):
            session.rollback()
            session.begin()
            _guarded(session, jobs)
        if all(job.error is not None for job in jobs):
            session.rollback()
        else:
            session.commit([wake for job in jobs for wake in job.wakes])
    except BackendUnavailable:
        session.rollback()
        raise


def _straight(session: Session, jobs: Sequence[Job[Any]]) -> bool:
    """Run one after the other; False as soon as one has to be taken out again and others would go with it."""
    for job in jobs:
        job.run(session.tx())
        if job.spoilt and len(jobs) > 1:
            return False
    return True


def _guarded(session: Session, jobs: Sequence[Job[Any]]) -> None:
    """The same, each in a savepoint of its own."""
    for job in jobs:
        session.savepoint()
        job.run(session.tx())
        if job.error is not None:
            session.undo()


def _apart(session: Session, jobs: Sequence[Job[Any]]) -> None:
    gone: BackendUnavailable | None = None
    for job in jobs:
        if gone is None:
            gone = _alone(session, job)
        else:
            job.fail(gone)  # the engine does not answer: do not let each caller in line wait for that again


def _alone(session: Session, job: Job[Any]) -> BackendUnavailable | None:
    """Run one work by itself, a few times if need be; the error if the engine itself has gone."""
    for _ in range(session.tries):
        try:
            _together(session, [job])
        except RunAgain as error:
            job.fail(error)
        except BackendUnavailable as error:
            job.fail(error)
            return error
        else:
            return None
    return None


class Writers:
    """Threads that each take everything that waits for them, run it as one group, and answer all callers at once."""

    def __init__(self, sessions: Sequence[Session], *, committed: Callable[[list[Wake]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._committed = committed
        self._open = True
        self._left = self._loop.create_future()
        self._living = [_Writer(session) for session in sessions]
        self._threads = [
            Thread(target=self._serve, args=(writer,), name=f"database-writer-{number}", daemon=True)
            for number, writer in enumerate(self._living)
        ]
        for thread in self._threads:
            thread.start()

    async def write(self, work: Work[T], *, lane: str = "") -> T:
        """Queue a work; returns or raises what it does, once the commit that holds it is synced.

        Works of one lane go to one thread, others to the one that has least to do.
        """
        if not self._open:
            raise BackendUnavailable("The database is closed.")
        if sum(writer.waiting for writer in self._living) >= WRITES_WAITING_MAX:
            raise BackendUnavailable("Too many writes are waiting for the database. Please try again later.")
        living = self._living
        writer = living[hash(lane) % len(living)] if lane else min(living, key=attrgetter("waiting"))
        job = Job(work, self._loop.create_future())
        writer.waiting += 1
        writer.queue.put(job)
        return await cast("asyncio.Future[T]", job.future)

    async def close(self) -> None:
        """Finish what is queued, then end the threads."""
        if self._open:
            self._open = False
            for writer in self._living:
                writer.queue.put(None)
        await asyncio.shield(self._left)
        for thread in self._threads:
            thread.join()

    def _serve(self, writer: _Writer) -> None:
        jobs: list[Job[Any]] = []
        try:
            while jobs := writer.take():
                run_group(writer.session, jobs)
                self._loop.call_soon_threadsafe(self._answer, writer, jobs)
                while writer.queue.empty() and writer.session.rest():
                    pass
        finally:
            writer.session.close()
            self._loop.call_soon_threadsafe(self._leave, writer, jobs)

    def _answer(self, writer: _Writer, jobs: list[Job[Any]]) -> None:
        writer.waiting -= len(jobs)
        wakes = [wake for job in jobs for wake in job.wakes]
        for job in jobs:
            job.answer()
        self._committed(wakes)

    def _leave(self, writer: _Writer, jobs: list[Job[Any]]) -> None:
        """A thread has ended. If it died of a bug, nobody may wait for it for ever."""
        self._living.remove(writer)
        for job in [*jobs, *writer.left()]:
            job.fail(BackendUnavailable())
            job.answer()
        if not self._living:
            self._open = False
            if not self._left.done():
                self._left.set_result(None)


class _Writer:
    """One session and what waits for it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self.waiting = 0
        """Works that are not answered yet; only the event loop counts."""

    def take(self) -> list[Job[Any]]:
        """Everything queued, at least one; nothing when it is time to end."""
        job = self.queue.get()
        jobs: list[Job[Any]] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == WRITES_PER_COMMIT_MAX:
                return jobs
            try:
                job = self.queue.get_nowait()
            except Empty:
                return jobs
        if jobs:
            self.queue.put(None)  # finish these first
        return jobs

    def left(self) -> list[Job[Any]]:
        """What nobody will take any more."""
        jobs = []
        while not self.queue.empty():
            job = self.queue.get()
            if job is not None:
                jobs.append(job)
        return jobs
