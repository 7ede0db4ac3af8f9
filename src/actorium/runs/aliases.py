"""Paths that lead to a run's storages and log, and to an Actor's runs: resolved before the one handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from actorium.http.route import Alias, Call, Resolver
from actorium.kernel.errors import TokenNotProvided
from actorium.kernel.principal import Principal
from actorium.kernel.structs import Wire
from actorium.runs.model import RunOrigin


class RunStorages(Protocol):
    """From a run's id to the ids of its default storages, by path parameter."""

    def __call__(self, principal: Principal, run_id: str, *, signed: bool = False) -> Awaitable[Mapping[str, str]]: ...


RunOfActor = Callable[[Principal, str, str], Awaitable[str]]
"""From an Actor and a run of it to the run's id."""


class LastRunQuery(Wire, kw_only=True, frozen=True):
    """Which run is meant by last."""

    status: str | None = None
    """One status, or several with commas."""
    origin: RunOrigin | None = None


LastRun = Callable[[Principal, str, LastRunQuery], Awaitable[str]]
"""From an Actor and a filter to the id of its newest run."""

_RUN = "/v2/actor-runs/{runId}"
_LOG = "/v2/logs/{buildOrRunId}"
_STORAGES = (
    ("dataset", "/v2/datasets/{datasetId}", "dataset"),
    ("key-value-store", "/v2/key-value-stores/{storeId}", "key-value store"),
    ("request-queue", "/v2/request-queues/{queueId}", "request queue"),
)
_VERBS = ("abort", "metamorph", "reboot", "resurrect")
_NESTED_RUN = "/v2/actors/{actorId}/runs/{runId}"


def aliases(
    *, storages: RunStorages, run_of_actor: RunOfActor, seen_run_of_actor: RunOfActor, last_run: LastRun
) -> list[Alias]:
    """Every alias about runs. run_of_actor: to change it. seen_run_of_actor: to look at it."""

    async def to_storages(call: Call[Any, None]) -> Mapping[str, str]:
        return await storages(call.principal, call["runId"], signed=_is_signed(call))

    async def to_log(call: Call[Any, None]) -> Mapping[str, str]:
        return {"buildOrRunId": call["runId"]}

    async def to_run(call: Call[Any, None]) -> Mapping[str, str]:
        return {"runId": await run_of_actor(call.principal, call["actorId"], call["runId"])}

    async def to_seen_run(call: Call[Any, None]) -> Mapping[str, str]:
        return {"runId": await seen_run_of_actor(call.principal, call["actorId"], call["runId"])}

    async def last_of_actor(call: Call[LastRunQuery, None]) -> str:
        return await last_run(call.principal, call["actorId"], call.query)

    return [
        *(
            Alias(prefix=f"{_RUN}/{name}", target=target, resolve=to_storages, tag=f"Default {kind}")
            for name, target, kind in _STORAGES
        ),
        Alias(prefix=f"{_RUN}/log", target=_LOG, resolve=to_log, tag="Actor runs"),
        *last_run_aliases(
            "/v2/actors/{actorId}/runs/last",
            last_run=last_of_actor,
            storages=storages,
            whose="Last Actor run's",
            tag="Actors/Actor runs",
        ),
        Alias(
            prefix=_NESTED_RUN,
            target=_RUN,
            resolve=to_seen_run,
            tag="Actors/Actor runs",
            only=frozenset({("GET", "")}),
            operation_ids={"GET ": "actors_run_get"},
            deprecated=True,
        ),
        Alias(
            prefix=_NESTED_RUN,
            target=_RUN,
            resolve=to_run,
            tag="Actors/Actor runs",
            only=frozenset({("POST", f"/{verb}") for verb in ("abort", "metamorph", "resurrect")}),
            operation_ids={
                "POST /abort": "actors_run_abort_post",
                "POST /metamorph": "actors_run_metamorph_post",
                "POST /resurrect": "actor_run_resurrect_post",
            },
            deprecated=True,
        ),
    ]


def last_run_aliases(
    prefix: str,
    *,
    last_run: Callable[[Call[LastRunQuery, None]], Awaitable[str]],
    storages: RunStorages,
    whose: str,
    tag: str,
    log_operation_id: str | None = None,
) -> list[Alias]:
    """Everything below a path that means somebody's newest run.

    last_run: the id of the run that a call means. whose: what the tags of the contract begin with.
    """

    async def found(call: Call[LastRunQuery, None]) -> str:
        if not call.principal.user_id:
            raise TokenNotProvided  # whose last run it is, only a token says
        return await last_run(call)

    async def to_run(call: Call[LastRunQuery, None]) -> Mapping[str, str]:
        return {"runId": await found(call)}

    async def to_storages(call: Call[LastRunQuery, None]) -> Mapping[str, str]:
        return await storages(call.principal, await found(call))

    async def to_log(call: Call[LastRunQuery, None]) -> Mapping[str, str]:
        return {"buildOrRunId": await found(call)}

    def alias(rest: str, target: str, resolve: Resolver, tag: str, **more: Any) -> Alias:
        return Alias(prefix=f"{prefix}{rest}", target=target, resolve=resolve, query=LastRunQuery, tag=tag, **more)

    log_ids = {} if log_operation_id is None else {"GET ": log_operation_id}
    return [
        *(alias(f"/{name}", target, to_storages, f"{whose} default {kind}") for name, target, kind in _STORAGES),
        alias("/log", _LOG, to_log, f"{whose} log", operation_ids=log_ids),
        *(alias(f"/{verb}", f"{_RUN}/{verb}", to_run, f"{whose} {verb}") for verb in _VERBS),
        alias("", _RUN, to_run, tag),
    ]


def _is_signed(call: Call[Any, None]) -> bool:
    """Whether the storage itself will say who may read: then the run is not asked."""
    return call.request.method in ("GET", "HEAD") and bool(call.request.query_params.get("signature"))
