"""Paths that lead to a run's storages and log, and to an Actor's runs: resolved before the one handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from actorium.http.route import Alias, Call
from actorium.kernel.principal import Principal
from actorium.kernel.structs import Wire
from actorium.runs.model import RunOrigin

RunStorages = Callable[[Principal, str], Awaitable[Mapping[str, str]]]
"""From a run's id to the ids of its default storages, by path parameter."""
RunOfActor = Callable[[Principal, str, str], Awaitable[str]]
"""From an Actor and a run of it to the run's id."""


class LastRunQuery(Wire, kw_only=True, frozen=True):
    """Which run is meant by last."""

    status: str | None = None
    """One status, or several with commas."""
    origin: RunOrigin | None = None


LastRun = Callable[[Principal, str, LastRunQuery], Awaitable[str]]
"""From an Actor and a filter to the id of its newest run."""

_STORAGES = (
    ("dataset", "/v2/datasets/{datasetId}", "datasetId", "Default dataset"),
    ("key-value-store", "/v2/key-value-stores/{storeId}", "storeId", "Default key-value store"),
    ("request-queue", "/v2/request-queues/{queueId}", "queueId", "Default request queue"),
)

_NESTED_RUN = frozenset({("GET", ""), ("POST", "/abort"), ("POST", "/metamorph"), ("POST", "/resurrect")})


def aliases(*, storages: RunStorages, run_of_actor: RunOfActor, last_run: LastRun) -> list[Alias]:
    """Every alias about runs."""

    async def to_storages(call: Call[Any, None]) -> Mapping[str, str]:
        return await storages(call.principal, call["runId"])

    async def to_log(call: Call[Any, None]) -> Mapping[str, str]:
        return {"buildOrRunId": call["runId"]}

    async def to_run(call: Call[Any, None]) -> Mapping[str, str]:
        return {"runId": await run_of_actor(call.principal, call["actorId"], call["runId"])}

    async def to_last_run(call: Call[LastRunQuery, None]) -> Mapping[str, str]:
        return {"runId": await last_run(call.principal, call["actorId"], call.query)}

    return [
        *(
            Alias(prefix=f"/v2/actor-runs/{{runId}}/{name}", target=target, resolve=to_storages, tag=tag)
            for name, target, _, tag in _STORAGES
        ),
        Alias(prefix="/v2/actor-runs/{runId}/log", target="/v2/logs/{buildOrRunId}", resolve=to_log, tag="Actor runs"),
        Alias(
            prefix="/v2/actors/{actorId}/runs/last",
            target="/v2/actor-runs/{runId}",
            resolve=to_last_run,
            query=LastRunQuery,
            tag="Actors/Actor runs",
        ),
        Alias(
            prefix="/v2/actors/{actorId}/runs/{runId}",
            target="/v2/actor-runs/{runId}",
            resolve=to_run,
            tag="Actors/Actor runs",
            only=_NESTED_RUN,
            deprecated=True,
        ),
    ]
