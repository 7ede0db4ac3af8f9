"""What callers do with runs: start, look, wait, abort, reboot, update, delete. The supervisor does the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import structlog
from msgspec import structs

from actorium.actors.errors import ActorNotFound
from actorium.actors.service import Actors
from actorium.builds.service import Builds
from actorium.database import Database, Tx
from actorium.database.again import write_again
from actorium.events.waiters import Waiters
from actorium.kernel.clock import Clock
from actorium.kernel.errors import Forbidden, LimitedToken, NotFound, StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.limits import STATUS_MESSAGE_CHARS_MAX, WAIT_FOR_FINISH_SECS_MAX
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.logs.service import Logs, Subject
from actorium.runs import store
from actorium.runs.brakes.spending import book_in
from actorium.runs.changes import CHANNEL, ENDED, kind_of, save
from actorium.runs.errors import JobFinished, RunNotFinished, RunNotFound
from actorium.runs.facts import facts_of
from actorium.runs.lifecycle import ALLOWED, TERMINAL, Event, RunStatus, step
from actorium.runs.lists import Filter
from actorium.runs.model import GeneralAccess, RunAccess, RunOrigin, RunShort, RunView, StorageIds, UpdateRun
from actorium.runs.permissions import check_change, reaches_run
from actorium.runs.replies import FinishedReplies
from actorium.runs.row import Run
from actorium.runs.view import Views
from actorium.webhooks.service import forget_run_in

log = structlog.get_logger()

TRIES = 5  # how often a change is decided again when another process changed the run in between


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """One page of runs and how many there are."""

    total: int
    items: list[RunShort]


class Runs:
    """The runs of this installation."""

    def __init__(
        self, database: Database, *, waiters: Waiters, logs: Logs, views: Views, actors: Actors, builds: Builds,
        delete_storages_in: Callable[[Tx, StorageIds], None], clock: Clock, ids: Ids,
    ) -> None:  # fmt: skip
        self._database = database
        self._waiters = waiters
        self._logs = logs
        self._views = views
        self._clock = clock
        self._ids = ids
        self._actors = actors
        self._builds = builds
        self._delete_storages_in = delete_storages_in
        self.replies = FinishedReplies(database)
        logs.subjects(self.log_subject)

    async def get(self, principal: Principal, run_id: str) -> RunView:
        """The run object. Raises RunNotFound."""

        def work(tx: Tx) -> RunView:
            return self._view(tx, self.readable_in(tx, principal, run_id), principal)

        return await self._database.read(work)

    async def wait(
        self, principal: Principal, run_id: str, secs: float | None, *, secs_max: float = WAIT_FOR_FINISH_SECS_MAX
    ) -> RunView:
        """The run object, held back until the run has finished or the time (``secs_max`` at most) is over."""
        view = await self.get(principal, run_id)
        if not secs or view.status in TERMINAL:
            return view
        until = self._clock.monotonic() + min(secs, secs_max)
        with self._waiters.watch((ENDED, run_id)) as bell:
            while (view := await self.get(principal, run_id)).status not in TERMINAL:
                del view  # a thousand callers may wait here
                left = until - self._clock.monotonic()
                if left <= 0 or not await bell.ring(left):
                    return await self.get(principal, run_id)
        return view

    async def page(
        self, principal: Principal, *, actor_id: str | None = None, task_id: str | None = None,
        statuses: tuple[RunStatus, ...] = (),
        started_after: Instant | None = None, started_before: Instant | None = None,
        offset: int, limit: int, desc: bool,
    ) -> RunPage:  # fmt: skip
        """The caller's runs that fit, by start."""
        now = self._clock.now()
        wanted = Filter(
            owner_id=principal.user_id,
            actor_id=actor_id,
            task_id=task_id,
            statuses=statuses,
            started_after=started_after,
            started_before=started_before,
        )

        def work(tx: Tx) -> RunPage:
            total, runs = store.page(tx, wanted, offset=offset, limit=limit, desc=desc)
            return RunPage(total=total, items=[self._views.short(run, facts_of(tx, run), now) for run in runs])

        return await self._database.read(work)

    async def abort(self, principal: Principal, run_id: str, *, gracefully: bool) -> RunView:
        """Stop a run that is starting or running: now, or after events and 30 seconds. Others come back unchanged."""
        event = Event.ABORT_GRACEFULLY if gracefully else Event.ABORT

        def change(_: Tx, run: Run) -> Run:
            if run.status not in ALLOWED[event]:
                return run
            return replace(run, life=step(run.life, event, self._clock.now()))

        return await self.change(principal, run_id, change, event=event)

    async def reboot(self, principal: Principal, run_id: str) -> RunView:
        """End the run's container and start a new one on the same storages. Raises JobFinished unless RUNNING."""

        def change(_: Tx, run: Run) -> Run:
            if run.status not in ALLOWED[Event.REBOOT]:
                raise JobFinished.for_lack_of(run.id, run.status, "reboots")
            return replace(run, life=step(run.life, Event.REBOOT, self._clock.now()))

        return await self.change(principal, run_id, change)

    async def update(self, principal: Principal, run_id: str, wanted: UpdateRun) -> RunView:
        """Change the status message or who may read the run. Also right after its end: SDKs say goodbye late."""

        def change(_: Tx, run: Run) -> Run:
            life, document = run.life, run.document
            if wanted.status_message is not UNSET:
                message = wanted.status_message
                life = replace(life, status_message=message and message[:STATUS_MESSAGE_CHARS_MAX])
            if wanted.is_status_message_terminal is not UNSET:
                life = replace(life, is_status_message_terminal=wanted.is_status_message_terminal)
            if isinstance(wanted.general_access, RunAccess):
                document = structs.replace(document, general_access=GeneralAccess(wanted.general_access))
            return replace(run, life=life, document=document)

        return await self.change(principal, run_id, change)

    async def delete(self, principal: Principal, run_id: str) -> None:
        """Forget a finished run with its log and default storages. Raises RunNotFinished."""

        def work(tx: Tx) -> None:
            run = self.owned_in(tx, principal, run_id)
            if run.status not in TERMINAL:
                raise RunNotFinished
            book_in(tx, self._views, run, self._clock.now())
            self._logs.delete_in(tx, run.id)
            forget_run_in(tx, run.id)
            self._delete_storages_in(tx, run.document.storage_ids)
            if not store.delete(tx, run):
                raise StaleWrite

        await write_again(self._database, work, lane=principal.user_id)

    async def log_subject(self, principal: Principal, run_id: str) -> Subject | None:
        """The run as something that has a log; None: no such run for this caller."""

        def work(tx: Tx) -> Subject | None:
            run = store.find(tx, run_id)
            if run is None or not _may_read(run, principal):
                return None
            return Subject(id=run.id, channel=CHANNEL, live=run.status not in TERMINAL)

        return await self._database.read(work)

    async def storages(self, principal: Principal, run_id: str, *, signed: bool = False) -> Mapping[str, str]:
        """The ids of a run's default storages by path parameter. Raises RunNotFound.

        ``signed``: the call carries a signature of a storage, which that storage checks; whether the run is there must
        not be told, so one that is not there has storages that are not there.
        """

        def work(tx: Tx) -> Run | None:
            return store.find(tx, run_id) if signed else self.readable_in(tx, principal, run_id)

        run = await self._database.read(work)
        if run is None:
            return dict.fromkeys(("datasetId", "storeId", "queueId"), "")
        ids = run.document.storage_ids
        return {
            "datasetId": ids.datasets["default"],
            "storeId": ids.key_value_stores["default"],
            "queueId": ids.request_queues["default"],
        }

    def build_secrets_in(self, tx: Tx, run_id: str) -> tuple[str, ...]:
        """The values of the run's builds that its log must not show."""
        run = store.find(tx, run_id)
        ids = () if run is None else (run.build_id, *run.document.earlier_build_ids)
        builds = (self._builds.find_in(tx, build_id, even_removed=True) for build_id in dict.fromkeys(ids))
        return tuple(secret for build in builds if build is not None for secret in self._builds.secrets_of(build))

    def actors_been_in(self, tx: Tx, run_id: str) -> tuple[tuple[str, str], ...]:
        """The run's owner with the Actor that it was started as and each that it became; empty: there is no run."""
        run = store.find(tx, run_id)
        if run is None:
            return ()
        became = (one.actor_id for one in run.document.metamorphs)
        return tuple((run.owner_id, actor_id) for actor_id in (run.actor_id, *became))

    def exists_in(self, tx: Tx, run_id: str) -> bool:
        """Whether there is a run of this id, whoever asks."""
        return store.exists(tx, run_id)

    def uses_build_in(self, tx: Tx, build_id: str) -> bool:
        """Whether a run that has not ended was started from a build."""
        return store.uses_build(tx, build_id)

    async def seen_of_actor(self, principal: Principal, actor: str, run_id: str) -> str:
        """The id of a run that the caller may see, if it is one of this Actor. Raises RunNotFound.

        By the Actor's id also where that is gone, or not for the caller.
        """

        def work(tx: Tx) -> str:
            run = self.readable_in(tx, principal, run_id)
            if actor != run.actor_id:
                row = self._actors.find_in(tx, run.actor_id)
                if row is None or not self._actors.is_meant_in(tx, principal, actor, row):
                    raise RunNotFound
            return run.id

        return await self._database.read(work)

    async def of_actor(self, principal: Principal, actor: str, run_id: str) -> str:
        """The id of a run, if it is one of this Actor. Raises ActorNotFound and RunNotFound."""

        def work(tx: Tx) -> str:
            try:
                actor_id = self._actors.resolve_in(tx, principal, actor).id
            except NotFound as error:
                raise ActorNotFound from error
            run = self.readable_in(tx, principal, run_id)
            if run.actor_id != actor_id:
                raise RunNotFound
            return run.id

        return await self._database.read(work)

    async def last(
        self, principal: Principal, actor: str, *, statuses: tuple[RunStatus, ...], origin: RunOrigin | None
    ) -> str:
        """The id of the caller's newest run of an Actor. Raises RunNotFound."""

        def work(tx: Tx) -> str:
            actor_id = self._actors.resolve_in(tx, principal, actor).id
            wanted = Filter(owner_id=principal.user_id, actor_id=actor_id, statuses=statuses, origin=origin)
            return _newest_in(tx, wanted)

        return await self._database.read(work)

    async def last_of_task(
        self, principal: Principal, task_id: str, *, statuses: tuple[RunStatus, ...], origin: RunOrigin | None
    ) -> str:
        """The id of the caller's newest run of a task. Raises RunNotFound."""
        wanted = Filter(owner_id=principal.user_id, task_id=task_id, statuses=statuses, origin=origin)
        return await self._database.read(partial(_newest_in, wanted=wanted))

    def readable_in(self, tx: Tx, principal: Principal, run_id: str) -> Run:
        """A run that the caller may see. Raises RunNotFound."""
        run = store.find(tx, run_id)
        if run is None or not _may_read(run, principal):
            raise RunNotFound
        return run

    def owned_in(self, tx: Tx, principal: Principal, run_id: str, *, event: Event | None = None) -> Run:
        """A run that the caller may change. Raises RunNotFound, and Forbidden for one that may only be seen.

        With limited permissions a run may change itself, and abort those that it started: ``event`` says what is meant.
        """
        run = self.readable_in(tx, principal, run_id)
        if run.owner_id != principal.user_id:
            raise Forbidden
        check_change(principal, run, event)
        return run

    async def change(
        self, principal: Principal, run_id: str, change: Callable[[Tx, Run], Run], *, event: Event | None = None
    ) -> RunView:
        """Change a run of the caller by compare-and-set, decided again when another was faster; the run object."""

        def work(tx: Tx) -> tuple[RunView, str | None]:
            before = self.owned_in(tx, principal, run_id, event=event)
            after = change(tx, before)
            if after is not before:
                after = save(tx, before, after, now=self._clock.now(), event_id=self._ids.new())
            return self._view(tx, after, principal), kind_of(before, after)

        for tries_left in reversed(range(TRIES)):
            try:
                view, kind = await self._database.write(work, lane=principal.user_id)
                break
            except StaleWrite:
                if not tries_left:
                    raise
        if kind is not None:
            log.info("run.asked", run_id=run_id, event_type=kind, user_id=principal.user_id, by_run=principal.run_id)
        return view

    def _view(self, tx: Tx, run: Run, principal: Principal) -> RunView:
        return self._views.full(run, facts_of(tx, run), self._clock.now(), reader_id=principal.user_id)


def _newest_in(tx: Tx, wanted: Filter) -> str:
    run_id = store.newest(tx, wanted)
    if run_id is None:
        raise RunNotFound
    return run_id


def _may_read(run: Run, principal: Principal) -> bool:
    """Raises LimitedToken for a run of the caller's user that a run with limited permissions may not see."""
    open_to_all = (GeneralAccess.ANYONE_WITH_ID_CAN_READ, GeneralAccess.ANYONE_WITH_NAME_CAN_READ)
    if run.document.general_access in open_to_all:
        return True
    if run.owner_id != principal.user_id:
        return False
    if not reaches_run(principal, run):
        raise LimitedToken
    return True
