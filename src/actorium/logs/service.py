"""Taking log lines in and giving them out: one text per run or build, each line stamped with its time of arrival."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from actorium.database import Database, Tx
from actorium.events.waiters import Bell, Waiters
from actorium.kernel.errors import NotFound
from actorium.kernel.instant import Instant
from actorium.kernel.limits import LOG_BYTES_MAX
from actorium.kernel.principal import Principal
from actorium.logs import store

CHANNEL = "logs"
CHUNKS_PER_READ = 16  # how many chunks one step of a reader holds: about 1 MB
FOLLOW_SECS = 30.0  # a follower looks again after this long even if no wake reached it

_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_NOTICE = b"ACTOR: The log reached its limit of %d bytes; later lines are dropped." % LOG_BYTES_MAX

Line = tuple[Instant, bytes]


class LogNotFound(NotFound):
    """Log was not found."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a log is about: a run or a build."""

    id: str
    channel: str
    """Where its changes are announced."""
    live: bool
    """More lines may come."""


FindSubject = Callable[[Principal, str], Awaitable[Subject | None]]


class Logs:
    """The logs of runs and builds."""

    def __init__(self, database: Database, waiters: Waiters) -> None:
        self._database = database
        self._waiters = waiters
        self._finders: list[FindSubject] = []

    def subjects(self, find: FindSubject) -> None:
        """Let a feature say which of its ids have logs, and who may read them."""
        self._finders.append(find)

    async def append(self, subject_id: str, lines: Sequence[Line]) -> None:
        """Write lines behind the log; dropped, with one notice, once it is full."""
        await self._database.write(lambda tx: self.append_in(tx, subject_id, lines))

    def create_in(self, tx: Tx, *, subject_id: str, owner_id: str) -> None:
        """Open a log together with its run or build."""
        store.create(tx, subject_id=subject_id, owner_id=owner_id)

    def append_in(self, tx: Tx, subject_id: str, lines: Sequence[Line]) -> None:
        """The same as ``append``, inside a transaction."""
        row = store.find(tx, subject_id)
        if row is None or not lines or row.is_full:
            return
        text, is_full = _fitting(lines, LOG_BYTES_MAX - row.size)
        store.append(tx, subject_id, text, row=row, is_full=is_full)
        tx.wake(CHANNEL, subject_id)

    def take_in(self, tx: Tx, subject_id: str, *, container: str, cursor: str, lines: Sequence[Line]) -> None:
        """Append what a container wrote and remember the cursor, so that nothing is taken twice."""
        self.append_in(tx, subject_id, lines)
        store.seen(tx, subject_id, container=container, cursor=cursor)

    def cursor_in(self, tx: Tx, subject_id: str, container: str) -> str | None:
        """How far a container's log was taken in; None: not at all."""
        row = store.find(tx, subject_id)
        return row.cursor if row is not None and row.container == container else None

    def delete_in(self, tx: Tx, subject_id: str) -> None:
        """Forget a log."""
        store.delete(tx, subject_id)

    async def subject(self, principal: Principal, subject_id: str) -> Subject:
        """The run or build of an id, for a caller who may read it. Raises LogNotFound."""
        for find in self._finders:
            subject = await find(principal, subject_id)
            if subject is not None:
                return subject
        raise LogNotFound

    async def read(self, subject: Subject, *, raw: bool) -> AsyncIterator[bytes]:
        """The text as it is now, in pieces."""
        position = 0
        while pieces := await self._pieces(subject.id, position):
            for piece in pieces:
                position += len(piece)
                yield piece if raw else plain(piece)

    async def follow(self, principal: Principal, subject: Subject, *, raw: bool) -> AsyncIterator[bytes]:
        """The text so far, then what is added, until the run or build has ended."""
        position = 0
        with self._bell(subject) as bell:
            while True:
                live = (await self.subject(principal, subject.id)).live
                while pieces := await self._pieces(subject.id, position):
                    for piece in pieces:
                        position += len(piece)
                        yield piece if raw else plain(piece)
                if not live:
                    return
                await bell.ring(FOLLOW_SECS)

    def _bell(self, subject: Subject) -> AbstractContextManager[Bell]:
        return self._waiters.watch((CHANNEL, subject.id), (subject.channel, subject.id))

    async def _pieces(self, subject_id: str, position: int) -> list[bytes]:
        found = await self._database.read(
            lambda tx: store.chunks(tx, subject_id, after=position, limit=CHUNKS_PER_READ)
        )
        cut = (chunk.payload[max(position - chunk.position, 0) :] for chunk in found)
        return [piece for piece in cut if piece]


def plain(text: bytes) -> bytes:
    """A log's text without terminal colours and cursor movements."""
    return _ANSI.sub(b"", text) if b"\x1b" in text else text


def _fitting(lines: Sequence[Line], room: int) -> tuple[bytes, bool]:
    """The lines as text, and whether they filled the log: then a notice stands where the room ended."""
    parts: list[bytes] = []
    for at, line in lines:
        text = line if line.isascii() else line.decode("utf-8", "replace").encode()
        part = b"%s %s\n" % (str(at).encode(), text)
        if len(part) > room:
            parts.append(b"%s %s\n" % (str(at).encode(), _NOTICE))
            return b"".join(parts), True
        room -= len(part)
        parts.append(part)
    return b"".join(parts), False
