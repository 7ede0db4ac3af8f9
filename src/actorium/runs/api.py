"""Routes about runs."""

from __future__ import annotations

from typing import Any

from actorium.http.paging import Page, PageQuery, page_of
from actorium.http.reply import JSON
from actorium.http.route import Auth, Call, RawBody, Reply, Route
from actorium.kernel.errors import InvalidValue
from actorium.kernel.instant import Instant
from actorium.kernel.limits import RATE_HIGH
from actorium.kernel.structs import Wire
from actorium.runs.lifecycle import RunStatus
from actorium.runs.model import RunShort, RunView, UpdateRun
from actorium.runs.options import StartOptions
from actorium.runs.service import Runs
from actorium.runs.start import Starter


class WaitQuery(Wire, kw_only=True, frozen=True):
    """How long to hold an answer."""

    wait_for_finish: float | None = None
    """Seconds to wait for the run to finish, 60 at most."""


class RunsQuery(PageQuery, kw_only=True, frozen=True):
    """Which runs to list."""

    status: str | None = None
    """One status, or several with commas."""
    started_after: Instant | None = None
    started_before: Instant | None = None


def statuses(text: str | None) -> tuple[RunStatus, ...]:
    """Statuses from a comma list. Raises InvalidValue."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    try:
        return tuple(RunStatus(name) for name in names)
    except ValueError as error:
        raise InvalidValue(
            f"status is {text!r}; it takes one or several of {', '.join(RunStatus)}, with commas between."
        ) from error


def routes(runs: Runs, starter: Starter) -> list[Route]:
    """Every route of the tag Actor runs, and the start and list under an Actor."""

    async def start(call: Call[StartOptions, RawBody]) -> Reply:
        run_id = await starter.start(call.principal, call["actorId"], call.query, body=call.body, origin=call.origin)
        view = await runs.wait(call.principal, run_id, call.query.wait_for_finish)
        return Reply(status=201, content=view, headers={"Location": f"/v2/actor-runs/{run_id}"})

    async def get(call: Call[WaitQuery, None]) -> Reply:
        content = runs.replies.known(call.principal, call["runId"])
        if content is None:
            seen = runs.replies.seen
            view = await runs.wait(call.principal, call["runId"], call.query.wait_for_finish)
            content = runs.replies.made(call.principal, view, seen)
        return Reply(content=content, media_type=JSON)

    async def put(call: Call[Any, UpdateRun]) -> RunView:
        return await runs.update(call.principal, call["runId"], call.body)

    async def delete(call: Call[Any, None]) -> Reply:
        await runs.delete(call.principal, call["runId"])
        return Reply(status=204)

    async def page(call: Call[RunsQuery, None]) -> Page[RunShort]:
        actor_id = await starter.actor_id(call.principal, call["actorId"]) if "actorId" in call.params else None
        query = call.query
        found = await runs.page(
            call.principal,
            actor_id=actor_id,
            statuses=statuses(query.status),
            started_after=query.started_after,
            started_before=query.started_before,
            offset=query.offset,
            limit=query.most(),
            desc=query.desc,
        )
        return page_of(found.items, total=found.total, query=query)

    def route(method: str, path: str, handler: Any, operation_id: str, summary: str, **more: Any) -> Route:
        return Route(
            method=method,
            path=path,
            handler=handler,
            operation_id=operation_id,
            summary=summary,
            tag=more.pop("tag", "Actor runs"),
            **more,
        )

    run = "/v2/actor-runs/{runId}"
    return [
        route(
            "POST", "/v2/actors/{actorId}/runs", start, "actors_runs_post", "Start a run of an Actor",
            tag="Actors/Actor runs", query=StartOptions, body=RawBody, returns=RunView, statuses=(201,), rate=RATE_HIGH,
        ),
        route(
            "GET", "/v2/actors/{actorId}/runs", page, "actors_runs_get", "List the runs of an Actor",
            tag="Actors/Actor runs", query=RunsQuery, returns=Page[RunShort],
        ),
        route("GET", "/v2/actor-runs", page, "actorRuns_get", "List runs", query=RunsQuery, returns=Page[RunShort]),
        route(
            "GET", run, get, "actorRun_get", "Get a run, if wanted when it has finished",
            query=WaitQuery, returns=RunView, auth=Auth.OPTIONAL,
        ),
        route("PUT", run, put, "actorRun_put", "Change a run's status message", body=UpdateRun, returns=RunView),
        route("DELETE", run, delete, "actorRun_delete", "Delete a finished run", statuses=(204,)),
    ]  # fmt: skip
