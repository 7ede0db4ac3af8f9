"""The loop behind builds: claims those that wait, watches those that run, ends those that shall, cleans up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from msgspec import structs

from actorium.actors.errors import VaultLocked
from actorium.actors.service import Actors
from actorium.builders import Builder
from actorium.builds import store
from actorium.builds.attempt import Check, Outcome, Task, attempt, failure
from actorium.builds.changes import change
from actorium.builds.lifecycle import STOPPING, Act, BuildStatus, Event, Holder, decide
from actorium.builds.log_pipe import LogPipe
from actorium.builds.row import BuildRow
from actorium.builds.sources import Sources, Wanted
from actorium.builds.sources.address import secrets_of
from actorium.database import Database, Tx
from actorium.database.again import write_again
from actorium.kernel.clock import Clock
from actorium.kernel.errors import StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    BUILD_ATTEMPTS_MAX,
    BUILD_LEASE_SECS,
    BUILD_TIMEOUT_SECS,
    BUILDS_LIVE_READ_MAX,
    BUILDS_SWEPT_MAX,
)
from actorium.kernel.principal import Principal
from actorium.logs.service import Logs
from actorium.loops.background import Background
from actorium.users.model import User
from actorium.users.service import Users

InUse = Callable[[Tx, str], bool]
"""Whether a live run still needs a build that was deleted."""


@dataclass(slots=True)
class _Job:
    """A build that this server works on."""

    owner_id: str
    task: asyncio.Task[None]
    stopping: bool = False


class BuildLoop:
    """Makes builds happen. Any number of servers may run one each: a build belongs to whoever claimed it last."""

    def __init__(
        self,
        database: Database,
        *,
        builder: Builder,
        sources: Sources,
        actors: Actors,
        users: Users,
        logs: Logs,
        background: Background,
        clock: Clock,
        ids: Ids,
        concurrency: int,
        in_use_in: InUse,
        wake: Callable[[], None],
        check: Check,
        alone: bool = False,
    ) -> None:
        """``concurrency``: builds at a time. ``wake``: called when there is room for another, so that a tick follows.
        ``check``: looks at each definition; the build's log gets what it says.
        ``alone``: no other server works on this database, so that what a dead one has left is taken over at once
        instead of when its claim runs out."""
        self._database = database
        self._builder = builder
        self._sources = sources
        self._actors = actors
        self._users = users
        self._logs = logs
        self._background = background
        self._clock = clock
        self._ids = ids
        self._concurrency = concurrency
        self._in_use_in = in_use_in
        self._wake = wake
        self._check = check
        self._alone = alone
        self._worker = ids.new()
        self._jobs: dict[str, _Job] = {}
        self._renewed_at = Instant(0)

    async def tick(self) -> None:
        """Look at every build that has not ended, and do what is next for each."""
        now = self._clock.now()
        await self._renew(now)
        rows = await self._database.read(lambda tx: store.live(tx, limit=BUILDS_LIVE_READ_MAX))
        self._cancel_removed(rows)
        for row in rows:
            act, event = decide(row.life, self._holder(row, now), now)
            match act:
                case Act.CLAIM:
                    await self._claim(row)
                case Act.CANCEL:
                    await self._stop(row, event)
                case Act.RECORD:
                    assert event is not None
                    await self._give_up(row, event)
                case Act.WAIT:
                    pass
        await self._sweep(now)

    async def close(self) -> None:
        """End every build of this server; the next one that starts takes them over."""
        jobs = [job.task for job in self._jobs.values()]
        for task in jobs:
            task.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await self._database.write(lambda tx: store.renew(tx, self._worker, Instant(0)))

    def _holder(self, row: BuildRow, now: Instant) -> Holder:
        if row.id in self._jobs:
            return Holder.ME
        if row.worker in ("", self._worker) or self._alone or row.lease_until <= now:
            return Holder.NOBODY
        return Holder.OTHER

    async def _renew(self, now: Instant) -> None:
        if not self._jobs or self._renewed_at.secs_until(now) < BUILD_LEASE_SECS / 3:
            return
        until = now.plus(secs=BUILD_LEASE_SECS)
        await self._database.write(lambda tx: store.renew(tx, self._worker, until))
        self._renewed_at = now

    def _cancel_removed(self, rows: Sequence[BuildRow]) -> None:
        """The Actor of a build may be deleted under it."""
        if len(rows) == BUILDS_LIVE_READ_MAX:
            return  # there are more than were read
        for build_id in self._jobs.keys() - {row.id for row in rows}:
            self._cancel(build_id)

    def _cancel(self, build_id: str) -> None:
        job = self._jobs[build_id]
        if not job.stopping:
            job.stopping = True
            job.task.cancel()

    async def _claim(self, row: BuildRow) -> None:
        if len(self._jobs) >= self._concurrency:
            return
        now, event_id = self._clock.now(), self._ids.new()
        claimed = replace(row, worker=self._worker, lease_until=now.plus(secs=BUILD_LEASE_SECS))
        work = partial(_change, row=claimed, event=Event.CLAIMED, now=now, event_id=event_id)
        try:
            mine = await self._database.write(work)
        except StaleWrite:
            return  # somebody else was faster, or it was aborted
        self._jobs[row.id] = _Job(row.owner_id, self._background.start(f"build {row.id}", self._work(mine)))

    async def _stop(self, row: BuildRow, event: Event | None) -> None:
        """Record why, if it is not recorded yet, then cancel."""
        if event is not None:
            work = partial(_change, row=row, event=event, now=self._clock.now(), event_id=self._ids.new())
            try:
                await self._database.write(work)
            except StaleWrite:
                return
        self._cancel(row.id)

    async def _give_up(self, row: BuildRow, event: Event) -> None:
        """End a build that nobody works on any more."""
        message = _LOST if event is Event.LOST else _STOPPED[row.status]
        now, event_id = self._clock.now(), self._ids.new()

        def work(tx: Tx) -> None:
            change(tx, row, event, now, event_id=event_id)
            self._logs.append_in(tx, row.id, [(now, message.encode())])

        try:
            await self._database.write(work)
        except StaleWrite:
            return

    async def _work(self, row: BuildRow) -> None:
        """One job: build, then record how it ended. Cancelled by a stopping server it records nothing, and what was
        fetched stays for the next attempt."""
        is_over = False
        try:
            try:
                task, secrets = await self._database.read(lambda tx: self._prepare_in(tx, row))
            except VaultLocked as error:
                outcome = failure(error)
            else:
                outcome = await self._attempt(task, secrets)
            await self._record(row, outcome)
            is_over = True
        finally:
            job = self._jobs.pop(row.id)
            if is_over or job.stopping:
                self._background.start(f"forget sources of {row.id}", self._sources.forget(row.id))
            self._wake()

    async def _attempt(self, task: Task, secrets: Sequence[str]) -> Outcome:
        """Build with a live log. Cancelled to stop this build it is an outcome; otherwise the cancellation goes on."""
        row = task.row
        pipe = LogPipe(partial(self._logs.append, row.id), clock=self._clock, secrets=secrets)
        pump = self._background.start(f"build log {row.id}", pipe.run())
        pipe.write(f"ACTOR: Building version {row.version_number} as {row.number}{_again(row)}.".encode())
        try:
            outcome = await attempt(
                task, self._builder, self._sources, pipe.write, now=self._clock.now(), check=self._check
            )
        except asyncio.CancelledError:
            if not self._jobs[row.id].stopping:
                raise
            return Outcome(event=Event.STOPPED, message="")
        finally:
            pipe.close()
            await pump
        # It quotes what the builder was given: build arguments, and with them secrets, may stand in it.
        return replace(outcome, message=pipe.masked(outcome.message))

    def _prepare_in(self, tx: Tx, row: BuildRow) -> tuple[Task, Sequence[str]]:
        """What the attempt needs, and what its log must not show."""
        actor, owner = self._actors.find_in(tx, row.actor_id), self._users.find_in(tx, row.owner_id)
        build_args = {}
        if row.document.apply_env_vars_to_build:
            build_args = self._actors.values_of(row.actor_id, row.env_vars)
        task = Task(
            row=row,
            actor_name=actor.name if actor is not None else row.actor_id,
            owner_number=owner.number if owner is not None else 0,
            wanted=_wanted(tx, row, owner),
            build_args=build_args,
        )
        return task, (*self._actors.secrets_of(row.actor_id, row.env_vars), *secrets_of(task.wanted.place))

    async def _record(self, row: BuildRow, outcome: Outcome) -> None:
        now, event_id = self._clock.now(), self._ids.new()

        def work(tx: Tx) -> None:
            current = store.find(tx, row.id)
            if current is None or current.worker != self._worker or current.life.attempt != row.life.attempt:
                return  # deleted, or somebody else took it over
            message = self._end_in(tx, current, outcome, now, event_id)
            self._logs.append_in(tx, row.id, [(now, message.encode())])

        await write_again(self._database, work)

    def _end_in(self, tx: Tx, row: BuildRow, outcome: Outcome, now: Instant, event_id: str) -> str:
        """Let the build end; the log's last line."""
        deadline = row.life.deadline
        is_late = deadline is not None and now >= deadline and row.status is BuildStatus.RUNNING
        if is_late and outcome.event is Event.FAILED:  # the builder itself ended it in time
            row = change(tx, row, Event.DEADLINE, now, event_id=event_id)
        if row.status in STOPPING:
            message = _STOPPED[row.status]
            change(tx, row, Event.STOPPED, now, event_id=event_id, definition=outcome.definition)
            return message
        if outcome.image is not None and outcome.facts is not None:
            document = structs.replace(
                row.document,
                image_size_bytes=outcome.image.size_bytes,
                is_cached=outcome.image.cached,
                facts=outcome.facts,
            )
            row = replace(row, image_reference=outcome.image.reference, document=document)
        after = change(tx, row, outcome.event, now, event_id=event_id, definition=outcome.definition)
        if after.status is BuildStatus.SUCCEEDED and after.document.tag is not None:
            self._actors.tag_in(tx, after.actor_id, after.document.tag, store.tagged(after))
        return outcome.message

    async def _sweep(self, now: Instant) -> None:
        """Clean up behind deleted builds: image, log, row."""
        # A build that is going on may find the image it needs among those being removed.
        busy = {job.owner_id for job in self._jobs.values()}
        for row in await self._database.read(lambda tx: store.removed(tx, limit=BUILDS_SWEPT_MAX)):
            is_live = row.life.finished_at is None and self._holder(row, now) is not Holder.NOBODY
            if is_live or row.owner_id in busy or await self._is_in_use(row):
                await self._database.write(partial(store.postpone, build_id=row.id, now=now))
            else:
                await self._sweep_one(row)

    async def _is_in_use(self, row: BuildRow) -> bool:
        return await self._database.read(lambda tx: self._in_use_in(tx, row.id))

    async def _sweep_one(self, row: BuildRow) -> None:
        reference = row.image_reference
        if reference is not None:
            shared = await self._database.read(lambda tx: store.shares_image(tx, row.id, reference))
            if not shared:
                await self._builder.remove(reference)

        def work(tx: Tx) -> None:
            self._logs.delete_in(tx, row.id)
            store.delete(tx, row.id)

        await self._database.write(work)


_LOST = (
    f"ACTOR: Build failed: it was begun {BUILD_ATTEMPTS_MAX} times, and each time the server could not go on."
    " The server's own log says why."
)
_STOPPED = {
    BuildStatus.ABORTING: "ACTOR: Build was aborted.",
    BuildStatus.TIMING_OUT: f"ACTOR: Build timed out: it took longer than {BUILD_TIMEOUT_SECS} seconds.",
}


def _wanted(tx: Tx, row: BuildRow, owner: User | None) -> Wanted:
    return Wanted(
        build_id=row.id,
        owner=owner.principal if owner is not None else Principal(row.owner_id, "", 0),
        type=row.document.act_version.source_type,
        files=store.source_files(tx, row.id),
        place=row.document.source_url,
    )


def _change(tx: Tx, *, row: BuildRow, event: Event, now: Instant, event_id: str) -> BuildRow:
    return change(tx, row, event, now, event_id=event_id)


def _again(row: BuildRow) -> str:
    """What the log says of an attempt that is not the first."""
    attempt_number = row.life.attempt
    return f" once more, as its server went away (attempt {attempt_number})" if attempt_number > 1 else ""
