"""What a run with limited permissions may call: the whole of it, on one page. What is not here is closed to it.

Rows are the services' business: ``ROWS`` lets a call through to a service that refuses what is not the run's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from actorium.http.route import Limited, Route

OPEN = frozenset({"users_me_get", "store_get", "tools_browser_info_get"})
"""Facts about the user that say nothing of what is in the account, and what is public."""

RUN = frozenset(
    {
        "actorRun_get",
        "actorRun_put",
        "actorRun_abort_post",
        "actorRun_reboot_post",
        "actorRun_metamorph_post",
        "actorRun_fork_post",
        "PostChargeRun",
        "log_get",
    }
)
"""The run itself, and those that it started: ``runs.permissions``."""

ACTOR = frozenset(
    {
        "actor_get",
        "actor_build_default_get",
        "actorBuild_get",
        "actor_openapi_json_get",
        "actorBuild_openapi_json_get",
        "actors_runs_post",
        "actor_runSync_get",
        "actor_runSync_post",
        "actor_runSyncGetDatasetItems_get",
        "actor_runSyncGetDatasetItems_post",
    }
)
"""Its own Actor and build, and starting Actors of limited permissions: ``Actors.resolve_in``, ``runs.permissions``."""

STORAGES = frozenset(
    {
        "datasets_get",
        "datasets_post",
        "dataset_get",
        "dataset_put",
        "dataset_delete",
        "dataset_items_get",
        "dataset_items_head",
        "dataset_items_post",
        "dataset_statistics_get",
        "dataset_query_post",
        "keyValueStores_get",
        "keyValueStores_post",
        "keyValueStore_get",
        "keyValueStore_put",
        "keyValueStore_delete",
        "keyValueStore_keys_get",
        "keyValueStore_records_get",
        "keyValueStore_record_get",
        "keyValueStore_record_head",
        "keyValueStore_record_put",
        "keyValueStore_record_post",
        "keyValueStore_record_delete",
        "requestQueues_get",
        "requestQueues_post",
        "requestQueue_get",
        "requestQueue_put",
        "requestQueue_delete",
        "requestQueue_head_get",
        "requestQueue_head_lock_post",
        "requestQueue_requests_get",
        "requestQueue_requests_post",
        "requestQueue_requests_batch_post",
        "requestQueue_requests_batch_delete",
        "requestQueue_requests_unlock_post",
        "requestQueue_request_get",
        "requestQueue_request_put",
        "requestQueue_request_delete",
        "requestQueue_request_lock_put",
        "requestQueue_request_lock_delete",
    }
)
"""Storages that runs of its Actor made, or that its input hands over: ``storages.rights``."""

TABLE: Mapping[str, Limited] = {
    **dict.fromkeys(OPEN, Limited.YES),
    **dict.fromkeys((*RUN, *ACTOR, *STORAGES), Limited.ROWS),
}
"""By operationId. Some operations are of the contract and not yet of this server."""


def limited(routes: Iterable[Route]) -> list[Route]:
    """The routes, each with what a run with limited permissions may do with it."""
    return [replace(route, limited=TABLE.get(route.operation_id, Limited.NO)) for route in routes]
