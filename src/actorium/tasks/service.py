"""What callers do with tasks: create, read, change, delete, run. A task is its owner's alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from actorium.actors.service import Actors
from actorium.database import Database, Tx, UniqueViolation
from actorium.database.again import Contended, write_again
from actorium.http.route import Origin, RawBody
from actorium.inputs.service import Inputs
from actorium.kernel.clock import Clock
from actorium.kernel.errors import LimitedToken
from actorium.kernel.ids import Ids
from actorium.kernel.limits import TASKS_PER_USER_MAX
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UnsetType
from actorium.runs.lifecycle import RunStatus
from actorium.runs.model import RunOrigin
from actorium.runs.options import StartTaskOptions
from actorium.runs.service import RunPage, Runs
from actorium.runs.start import Starter, TaskOfRun
from actorium.tasks import changes, store
from actorium.tasks.errors import InputUpdateCollision, TaskNameNotUnique, TaskNotFound, TooManyTasks
from actorium.tasks.model import CreateTask, Input, TaskShort, TaskView, UpdateTask
from actorium.tasks.row import TaskDocument, TaskRow
from actorium.tasks.view import short_view, task_view


class Tasks:
    """The tasks of this installation, by id, ``~name`` or ``username~name``."""

    def __init__(
        self, database: Database, *, actors: Actors, inputs: Inputs, runs: Runs, starter: Starter, ids: Ids,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._actors = actors
        self._inputs = inputs
        self._runs = runs
        self._starter = starter
        self._ids = ids
        self._clock = clock

    async def create(self, principal: Principal, asked: CreateTask) -> TaskView:
        """Make a task. Raises ActorMissing, TaskNameNotUnique, TooManyTasks, InvalidInput, InvalidValue."""
        task_id, now = self._ids.new(), self._clock.now()
        name = changes.check_name(asked.name or f"task-{task_id}")
        document = changes.written(TaskDocument(), asked, now)
        stored = await self._sealed(principal, asked.act_id, document, asked.input)

        def work(tx: Tx) -> TaskView:
            row = TaskRow(
                id=task_id,
                owner_id=principal.user_id,
                username=principal.username,
                actor_id=self._actors.resolve_in(tx, principal, asked.act_id).id,
                name=name,
                created_at=now,
                modified_at=now,
                created_by_run=principal.run_id,
                document=document,
                input=None if stored is None else changes.text_of(stored),
            )
            if store.count_of(tx, principal.user_id) >= TASKS_PER_USER_MAX:
                raise TooManyTasks
            if not store.add(tx, row):
                raise TaskNameNotUnique
            return task_view(row)

        return await self._database.write(work)

    async def get(self, principal: Principal, reference: str) -> TaskView:
        """The task object. Raises TaskNotFound."""
        return task_view(await self._find(principal, reference))

    async def page(self, principal: Principal, *, offset: int, limit: int, desc: bool) -> tuple[int, list[TaskShort]]:
        """How many tasks the caller has, and one page of them."""
        total, listed = await self._database.read(
            partial(store.page, owner_id=principal.user_id, offset=offset, limit=limit, desc=desc)
        )
        return total, [short_view(one) for one in listed]

    async def update(self, principal: Principal, reference: str, asked: UpdateTask) -> TaskView:
        """Change what is given. Raises TaskNotFound, TaskNameNotUnique, InvalidInput, InvalidValue."""
        stored: Input | None = None
        if isinstance(asked.input, dict):
            before = await self._find(principal, reference)
            document = changes.written(before.document, asked, self._clock.now())
            stored = await self._sealed(principal, before.actor_id, document, asked.input)

        def change(row: TaskRow) -> TaskRow:
            row = replace(row, document=changes.written(row.document, asked, self._clock.now()))
            if isinstance(asked.name, str):
                row = replace(row, name=changes.check_name(asked.name))
            if asked.input is None or stored is not None:
                row = replace(row, input=None if stored is None else changes.text_of(stored))
            return row

        return task_view(await self._change(principal, reference, change))

    async def delete(self, principal: Principal, reference: str) -> None:
        """Forget a task; its runs stay. Raises TaskNotFound."""
        await write_again(self._database, lambda tx: store.delete(tx, self._find_in(tx, principal, reference)))

    async def input(self, principal: Principal, reference: str) -> bytes:
        """The input as JSON text; that of a task without one is an empty object. Raises TaskNotFound."""
        return ((await self._find(principal, reference)).input or "{}").encode()

    async def update_input(self, principal: Principal, reference: str, over: Input) -> bytes:
        """Put keys over the input; the result as JSON text. Raises TaskNotFound, InputUpdateCollision."""
        before = await self._find(principal, reference)
        sealed = await self._inputs.sealed(principal, before.actor_id, changes.build_of(before.document), over)

        def change(row: TaskRow) -> TaskRow:
            return replace(row, input=changes.text_of(changes.merged(row.input, sealed)))

        try:
            return ((await self._change(principal, reference, change)).input or "{}").encode()
        except Contended as error:
            raise InputUpdateCollision from error

    async def start(
        self, principal: Principal, reference: str, options: StartTaskOptions, *, body: RawBody, origin: Origin
    ) -> str:
        """Run the task's Actor; returns the run's id. Raises TaskNotFound, and what a start of the Actor raises."""
        task = await self._find(principal, reference)
        return await self._starter.start(
            principal,
            task.actor_id,
            changes.started(options, task.document.options),
            body=changes.run_input(task.input, body),
            origin=origin,
            task=TaskOfRun(task.id, partial(_count_run, task_id=task.id)),
        )

    async def runs(
        self, principal: Principal, reference: str, *, statuses: tuple[RunStatus, ...],
        offset: int, limit: int, desc: bool,
    ) -> RunPage:  # fmt: skip
        """The task's runs by start. Raises TaskNotFound."""
        task = await self._find(principal, reference)
        return await self._runs.page(
            principal, task_id=task.id, statuses=statuses, offset=offset, limit=limit, desc=desc
        )

    async def last_run(
        self, principal: Principal, reference: str, *, statuses: tuple[RunStatus, ...], origin: RunOrigin | None
    ) -> str:
        """The id of the task's newest run. Raises TaskNotFound, RunNotFound."""
        task = await self._find(principal, reference)
        return await self._runs.last_of_task(principal, task.id, statuses=statuses, origin=origin)

    async def _sealed(
        self, principal: Principal, actor: str, document: TaskDocument, input: Input | None | UnsetType
    ) -> Input | None:
        """An input as it is stored: what the Actor's input schema calls secret is encrypted."""
        if not isinstance(input, dict) or not input:
            return input if isinstance(input, dict) else None
        return await self._inputs.sealed(principal, actor, changes.build_of(document), input)

    async def _find(self, principal: Principal, reference: str) -> TaskRow:
        return await self._database.read(lambda tx: self._find_in(tx, principal, reference))

    def _find_in(self, tx: Tx, principal: Principal, reference: str) -> TaskRow:
        """The caller's own task. Those of others look like those that are not there.

        Raises LimitedToken: a task holds its user's own input, and none is for a run with limited permissions.
        """
        if principal.scope is not None:
            raise LimitedToken
        username, tilde, name = reference.partition("~")
        if not tilde:
            row = store.find(tx, reference)
        elif username.lower() in ("", principal.username.lower()):
            row = store.find_named(tx, principal.user_id, name)
        else:
            row = None
        if row is None or row.owner_id != principal.user_id:
            raise TaskNotFound
        return row

    async def _change(self, principal: Principal, reference: str, change: Callable[[TaskRow], TaskRow]) -> TaskRow:
        def work(tx: Tx) -> TaskRow:
            before = self._find_in(tx, principal, reference)
            after = change(before)
            if after.name != before.name and store.find_named(tx, after.owner_id, after.name) is not None:
                raise TaskNameNotUnique
            return store.save(tx, replace(after, modified_at=self._clock.now()))

        try:
            return await write_again(self._database, work)
        except UniqueViolation as error:  # somebody else took the name at the same moment
            raise TaskNameNotUnique from error


def _count_run(tx: Tx, *, task_id: str) -> None:
    if not store.count_run(tx, task_id):
        raise TaskNotFound  # deleted since it was read: nothing is started
