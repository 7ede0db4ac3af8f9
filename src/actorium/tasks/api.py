"""Routes about tasks, and the paths that lead to a task's last run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actorium.http.paging import Page, PageQuery, page_of
from actorium.http.reply import JSON
from actorium.http.route import Alias, Call, RawBody, Reply, Route
from actorium.kernel.limits import RATE_HIGH
from actorium.runs.aliases import LastRunQuery, RunStorages, last_run_aliases
from actorium.runs.api import statuses
from actorium.runs.model import RunShort, RunView
from actorium.runs.options import StartTaskOptions
from actorium.runs.service import Runs
from actorium.runs.sync import SyncRuns
from actorium.tasks.model import CreateTask, Input, TaskShort, TaskView, UpdateTask
from actorium.tasks.service import Tasks

TAG = "Actor tasks"
TASK = "/v2/actor-tasks/{actorTaskId}"


class TaskRunsQuery(PageQuery, kw_only=True, frozen=True):
    """Which runs of a task to list."""

    status: str | None = None
    """One status, or several with commas."""


class TasksApi:
    """Handlers about tasks."""

    def __init__(self, tasks: Tasks, runs: Runs) -> None:
        self._tasks = tasks
        self._runs = runs

    async def page(self, call: Call[PageQuery, None]) -> Page[TaskShort]:
        query = call.query
        total, items = await self._tasks.page(call.principal, offset=query.offset, limit=query.most(), desc=query.desc)
        return page_of(items, total=total, query=query)

    async def create(self, call: Call[Any, CreateTask]) -> Reply:
        task = await self._tasks.create(call.principal, call.body)
        return Reply(status=201, content=task, headers={"Location": f"/v2/actor-tasks/{task.id}"})

    async def get(self, call: Call[Any, None]) -> TaskView:
        return await self._tasks.get(call.principal, call["actorTaskId"])

    async def update(self, call: Call[Any, UpdateTask]) -> TaskView:
        return await self._tasks.update(call.principal, call["actorTaskId"], call.body)

    async def delete(self, call: Call[Any, None]) -> Reply:
        await self._tasks.delete(call.principal, call["actorTaskId"])
        return Reply(status=204)

    async def input(self, call: Call[Any, None]) -> Reply:
        return Reply(content=await self._tasks.input(call.principal, call["actorTaskId"]), media_type=JSON)

    async def update_input(self, call: Call[Any, Input]) -> Reply:
        content = await self._tasks.update_input(call.principal, call["actorTaskId"], call.body)
        return Reply(content=content, media_type=JSON)

    async def start(self, call: Call[StartTaskOptions, RawBody]) -> Reply:
        run_id = await self._tasks.start(
            call.principal, call["actorTaskId"], call.query, body=call.body, origin=call.origin
        )
        view = await self._runs.wait(call.principal, run_id, call.query.wait_for_finish)
        return Reply(status=201, content=view, headers={"Location": f"/v2/actor-runs/{run_id}"})

    async def runs(self, call: Call[TaskRunsQuery, None]) -> Page[RunShort]:
        query = call.query
        found = await self._tasks.runs(
            call.principal,
            call["actorTaskId"],
            statuses=statuses(query.status),
            offset=query.offset,
            limit=query.most(),
            desc=query.desc,
        )
        return page_of(found.items, total=found.total, query=query)


def routes(tasks: Tasks, runs: Runs, sync_runs: SyncRuns) -> Sequence[Route]:
    """Every route of the tag Actor tasks."""
    api = TasksApi(tasks, runs)

    async def start(call: Call[Any, Any], options: StartTaskOptions, body: RawBody) -> str:
        return await tasks.start(call.principal, call["actorTaskId"], options, body=body, origin=call.origin)

    def route(method: str, path: str, handler: Any, operation_id: str, summary: str, **more: Any) -> Route:
        return Route(
            method=method, path=path, handler=handler, operation_id=operation_id, summary=summary, tag=TAG, **more
        )

    return [
        route(
            "GET", "/v2/actor-tasks", api.page, "actorTasks_get", "List the caller's tasks",
            query=PageQuery, returns=Page[TaskShort],
        ),
        route(
            "POST", "/v2/actor-tasks", api.create, "actorTasks_post", "Create a task",
            body=CreateTask, returns=TaskView, statuses=(201,),
        ),
        route("GET", TASK, api.get, "actorTask_get", "Get a task", returns=TaskView),
        route(
            "PUT", TASK, api.update, "actorTask_put", "Change parts of a task", body=UpdateTask, returns=TaskView
        ),
        route("DELETE", TASK, api.delete, "actorTask_delete", "Delete a task; its runs stay", statuses=(204,)),
        route(
            "GET", f"{TASK}/input", api.input, "actorTask_input_get", "Get a task's input",
            returns=Input, envelope=False,
        ),
        route(
            "PUT", f"{TASK}/input", api.update_input, "actorTask_input_put", "Put keys over a task's input",
            body=Input, returns=Input, envelope=False,
        ),
        route(
            "POST", f"{TASK}/runs", api.start, "actorTask_runs_post", "Run a task",
            query=StartTaskOptions, body=RawBody, returns=RunView, statuses=(201,), rate=RATE_HIGH,
        ),
        route(
            "GET", f"{TASK}/runs", api.runs, "actorTask_runs_get", "List the runs of a task",
            query=TaskRunsQuery, returns=Page[RunShort],
        ),
        *sync_runs.routes(TASK, start, name="actorTask", tag=TAG, what="a task"),
    ]  # fmt: skip


def aliases(tasks: Tasks, storages: RunStorages) -> list[Alias]:
    """Everything below ``runs/last`` of a task."""

    async def last_run(call: Call[LastRunQuery, None]) -> str:
        query = call.query
        return await tasks.last_run(
            call.principal, call["actorTaskId"], statuses=statuses(query.status), origin=query.origin
        )

    return last_run_aliases(
        f"{TASK}/runs/last",
        last_run=last_run,
        storages=storages,
        whose="Last Actor task run's",
        tag=TAG,
        log_operation_id="actorTask_last_log_get",  # the contract's own, unlike all others
    )
