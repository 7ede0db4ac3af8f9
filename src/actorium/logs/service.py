"""Taking log lines in and giving them out: one text per run or build, each line stamped with its time of arrival."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from actorium.database import Database, Tx
from actorium.events.waiters import Waiters
from actorium.kernel.errors import ActoriumError, BackendUnavailable, NotFound
from actorium.kernel.instant import Instant
from actorium.kernel.limits import LOG_BYTES_MAX, LOG_WINDOW_BYTES
from actorium.kernel.lines import split, without_escapes
from actorium.kernel.principal import Principal
from actorium.logs import store
from actorium.logs.feed import Feed
from actorium.loops.background import Background

log = structlog.get_logger()
CHANNEL = "logs"
CHUNKS_PER_READ = 16  # how many chunks one step of a reader holds: about 1 MB
FOLLOW_SECS = 30.0  # a follower looks again after this long even if no wake reached it

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

    def __init__(self, database: Database, waiters: Waiters, background: Background | None = None) -> None:
        self._database = database
        self._waiters = waiters
        self._background = background or Background()
        self._feeds: dict[str, Feed] = {}
        self._pumps: dict[Feed, asyncio.Task[None]] = {}
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
        append_in(tx, subject_id, lines)

    def take_in(self, tx: Tx, subject_id: str, *, container: str, cursor: str, lines: Sequence[Line]) -> None:
        """Append what a container wrote and remember the cursor, so that nothing is taken twice."""
        self.append_in(tx, subject_id, lines)
        store.seen(tx, subject_id, container=container, cursor=cursor)

    def cursor_in(self, tx: Tx, subject_id: str, container: str) -> str | None:
        """How far a container's log was taken in; None: not at all."""
        row = store.find(tx, subject_id)
        return row.cursor if row is not None and row.container == container else None

    def container_in(self, tx: Tx, subject_id: str) -> str | None:
        """The container whose log was taken in last, "" before the first; None: there is no log. Nobody else takes one
        in before this transaction is over."""
        row = store.held(tx, subject_id)
        return None if row is None else row.container

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
        position, more = 0, True
        while more:
            pieces, more = await self._pieces(subject.id, position)
            for piece in pieces:
                position += len(piece)
                yield piece if raw else without_escapes(piece)

    async def follow(self, principal: Principal, subject: Subject, *, raw: bool) -> AsyncIterator[bytes]:
        """The text so far, then what is added, until the run or build has ended. Raises LogNotFound.

        All followers of a log share one reader of the table. Who may read is asked again when the run or build changes.
        """
        position = 0
        feed = self._feeds.get(subject.id) or self._open_feed(subject)
        feed.readers[principal] += 1
        try:
            while True:
                pieces = feed.after(position)
                if pieces is None:
                    texts, _ = await self._pieces(subject.id, position)
                    if not texts:
                        raise LogNotFound  # deleted meanwhile
                    for text in texts:
                        position += len(text)
                        yield text if raw else without_escapes(text)
                elif pieces:
                    for piece in pieces:
                        position = piece.position + len(piece.raw)
                        yield piece.text(raw=raw)
                elif principal in feed.refused:
                    raise LogNotFound
                elif feed.is_over:
                    return
                elif feed.is_broken:
                    raise BackendUnavailable("The log cannot be followed any more; ask for it again.") from feed.error
                else:
                    await feed.change()
        finally:
            self._leave(feed, principal)

    def _open_feed(self, subject: Subject) -> Feed:
        feed = self._feeds[subject.id] = Feed(subject.id)
        self._pumps[feed] = self._background.start(f"follow {subject.id}", self._pump(feed, subject.channel))
        return feed

    def _leave(self, feed: Feed, principal: Principal) -> None:
        feed.readers[principal] -= 1
        if feed.readers[principal] <= 0:
            del feed.readers[principal]
        if not feed.readers:
            self._close_feed(feed)

    def _close_feed(self, feed: Feed) -> None:
        if self._feeds.get(feed.subject_id) is feed:
            del self._feeds[feed.subject_id]
        pump = self._pumps.pop(feed, None)
        if pump is not None and pump is not asyncio.current_task():
            pump.cancel()

    async def _pump(self, feed: Feed, channel: str) -> None:
        """Read a log for everybody who follows it. Watches first, reads second: a change between the two rings."""
        key = feed.subject_id
        try:
            with (
                self._waiters.watch((CHANNEL, key), (channel, key)) as bell,
                self._waiters.watch((channel, key)) as news,
            ):
                feed.begin(await self._database.read(lambda tx: store.start_of(tx, key, newest=LOG_WINDOW_BYTES)))
                live = await self._ask_again(feed)
                while True:
                    more = True
                    while more:
                        texts, more = await self._pieces(key, feed.end)
                        feed.add(texts)
                    if not live:
                        feed.is_over = True
                        return
                    if not await bell.ring(FOLLOW_SECS) or news.take():
                        live = await self._ask_again(feed)
        except ActoriumError as error:  # is everybody's who follows
            feed.error = error
        finally:
            feed.is_broken = True
            self._close_feed(feed)
            feed.tell()

    async def _ask_again(self, feed: Feed) -> bool:
        """Whether more lines may come. Who may not read any more is refused; each reader is asked for once."""
        live, refused = True, set[Principal]()
        for reader in [*feed.readers]:
            try:
                live = (await self.subject(reader, feed.subject_id)).live
            except LogNotFound:
                refused.add(reader)
        feed.refused = frozenset(refused)
        if refused:
            feed.tell()
        return live

    async def _pieces(self, subject_id: str, position: int) -> tuple[list[bytes], bool]:
        """What is behind a position, up to CHUNKS_PER_READ pieces, and whether there may be more."""
        found = await self._database.read(
            lambda tx: store.chunks(tx, subject_id, after=position, limit=CHUNKS_PER_READ)
        )
        log.debug("log.read", subject_id=subject_id, position=position)
        cut = (chunk.payload[max(position - chunk.position, 0) :] for chunk in found)
        return [piece for piece in cut if piece], len(found) == CHUNKS_PER_READ


def append_in(tx: Tx, subject_id: str, lines: Sequence[Line]) -> None:
    """Write lines behind a log, for those who have no more than a transaction."""
    row = store.held(tx, subject_id)
    if row is None or not lines or row.is_full:
        return
    text, is_full = _fitting(lines, LOG_BYTES_MAX - row.size)
    store.append(tx, subject_id, text, row=row, is_full=is_full)
    tx.wake(CHANNEL, subject_id)


def append_once_in(tx: Tx, subject_id: str, line: Line) -> None:
    """The same for one line by somebody who may have been interrupted behind it: not twice behind each other."""
    at, text = line
    if store.held(tx, subject_id) is not None and not store.end_of(tx, subject_id).endswith(b"%b\n" % text):
        append_in(tx, subject_id, [(at, text)])


def _fitting(lines: Sequence[Line], room: int) -> tuple[bytes, bool]:
    """The lines as text, and whether they filled the log: then a notice stands where the room ended."""
    parts: list[bytes] = []
    for at, text in lines:
        stamp = str(at).encode()
        for line in split(text):
            part = b"%b %b\n" % (stamp, line if line.isascii() else line.decode("utf-8", "replace").encode())
            if len(part) > room:
                parts.append(b"%b %b\n" % (stamp, _NOTICE))
                return b"".join(parts), True
            room -= len(part)
            parts.append(part)
    return b"".join(parts), False
