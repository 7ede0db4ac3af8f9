"""Synchronous runs: a call that starts a run, waits for it, and is answered with what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from actorium.datasets.export import check_query
from actorium.datasets.model import ItemsQuery
from actorium.datasets.replies import ItemsReplies
from actorium.http.leaving import unless_gone
from actorium.http.query import joined, part
from actorium.http.route import Call, RawBody, Reply, Route
from actorium.kernel.errors import Forbidden, NotFound
from actorium.kernel.limits import RATE_HIGH, RUN_SYNC_SECS_MAX
from actorium.kernel.structs import Wire
from actorium.key_value_stores.errors import ServiceWorkerRefused
from actorium.key_value_stores.keys import check_key
from actorium.key_value_stores.replies import is_private, record_reply
from actorium.key_value_stores.service import KeyValueStores
from actorium.key_value_stores.serving import Asked
from actorium.runs.errors import DefaultDatasetNotFound, RunFailed, RunTimeoutExceeded
from actorium.runs.lifecycle import TERMINAL, RunStatus
from actorium.runs.model import RunView
from actorium.runs.options import StartTaskOptions
from actorium.runs.service import Runs
from actorium.runs.start import Starter

Start = Callable[[Call[Any, Any], StartTaskOptions, RawBody], Awaitable[str]]
"""Starts the run that a call asks for; its id."""

NO_INPUT = RawBody(content=b"", content_type=None)
_OF_STORED = ("ETag", "Accept-Ranges")
"""What is true of a record where it is stored, and not of a reply that is made once."""


class OutputQuery(Wire, kw_only=True, frozen=True):
    """Which record of a run is its output."""

    output_record_key: str = "OUTPUT"
    """The key in the run's default key-value store."""


_NOT_HERE = ("wait_for_finish", "signature")
RunSyncQuery = joined("RunSyncQuery", StartTaskOptions, OutputQuery, without=_NOT_HERE)
RunSyncItemsQuery = joined("RunSyncItemsQuery", StartTaskOptions, ItemsQuery, without=_NOT_HERE)


class SyncRuns:
    """The routes of synchronous runs. While they wait they hold no transaction, and ask nothing until they are told."""

    def __init__(self, runs: Runs, *, stores: KeyValueStores, items: ItemsReplies) -> None:
        self._runs = runs
        self._stores = stores
        self._items = items

    def of_actors(self, starter: Starter) -> list[Route]:
        """The routes below an Actor."""

        async def start(call: Call[Any, Any], options: StartTaskOptions, body: RawBody) -> str:
            return await starter.start(call.principal, call["actorId"], options, body=body, origin=call.origin)

        return self.routes("/v2/actors/{actorId}", start, name="actor", tag="Actors/Actor runs", what="an Actor")

    def routes(self, path: str, start: Start, *, name: str, tag: str, what: str) -> list[Route]:
        """The four routes below a path. name: what their operation ids begin with. what: what is run."""

        async def to_record(call: Call[Any, RawBody | None]) -> Reply:
            return await self._to_record(call, start)

        async def to_items(call: Call[Any, RawBody | None]) -> Reply:
            return await self._to_items(call, start)

        kinds = (
            ("run-sync", "runSync", to_record, RunSyncQuery, "the output"),
            ("run-sync-get-dataset-items", "runSyncGetDatasetItems", to_items, RunSyncItemsQuery, "the dataset items"),
        )
        return [
            Route(
                method=method,
                path=f"{path}/{end}",
                handler=handler,
                operation_id=f"{name}_{operation}_{method.lower()}",
                tag=tag,
                summary=f"Run {what} {with_input} input and get {answer}",
                query=query,
                body=body,
                envelope=False,
                media_type="*/*",
                statuses=(201,),
                rate=RATE_HIGH,
                acts=True,
            )
            for end, operation, handler, query, answer in kinds
            for method, body, with_input in (("POST", RawBody, "with"), ("GET", None, "without"))
        ]

    async def _to_record(self, call: Call[Any, RawBody | None], start: Start) -> Reply:
        key = part(call.query, OutputQuery).output_record_key
        check_key(key)  # before the run: it would be for nothing
        headers = call.request.headers
        if "service-worker" in headers:
            raise ServiceWorkerRefused
        run = await self._succeeded(call, start)
        asked = Asked(
            {"accept-encoding": headers.get("accept-encoding", "")}, body=True, is_private=is_private(call.request)
        )
        try:
            found = await self._stores.read(
                call.principal, run.default_key_value_store_id, key, signature=None, wanted=asked
            )
        except (NotFound, Forbidden):  # no such record, or the run has deleted its store
            return Reply(status=201, envelope=False)
        reply = record_reply(found, asked.plan)
        kept = {name: value for name, value in reply.headers.items() if name not in _OF_STORED}
        return replace(reply, status=201, headers=kept)

    async def _to_items(self, call: Call[Any, RawBody | None], start: Start) -> Reply:
        query = part(call.query, ItemsQuery)
        check_query(query)
        run = await self._succeeded(call, start)
        try:
            reply = await self._items.reply(call.principal, run.default_dataset_id, query, receive=call.request.receive)
        except NotFound as error:
            raise DefaultDatasetNotFound from error
        return replace(reply, status=201)

    async def _succeeded(self, call: Call[Any, RawBody | None], start: Start) -> RunView:
        """A new run once it has succeeded. The run goes on when the client leaves.

        Raises what a start raises, RunFailed, RunTimeoutExceeded.
        """
        run_id = await start(call, part(call.query, StartTaskOptions), call.body or NO_INPUT)
        waiting = self._runs.wait(call.principal, run_id, RUN_SYNC_SECS_MAX, secs_max=RUN_SYNC_SECS_MAX)
        run = await unless_gone(call.request.receive, waiting)
        if run.status not in TERMINAL:
            raise RunTimeoutExceeded(
                f"Actor run {run_id} has not finished within {RUN_SYNC_SECS_MAX} seconds and goes on (status: "
                f"{run.status}). Wait for it at /v2/actor-runs/{run_id}?waitForFinish=60."
            )
        if run.status is not RunStatus.SUCCEEDED:
            raise RunFailed(
                f"Actor run {run_id} did not succeed (status: {run.status}). Its log is at /v2/logs/{run_id}."
            )
        return run
