"""The environment of an Actor's process, as the SDKs read it (facts: the contract's RUNTIME §1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actorium.charging.terms import plain
from actorium.kernel.instant import Instant
from actorium.kernel.limits import MEMORY_MBYTES_PER_CORE
from actorium.kernel.structs import encode
from actorium.runs.row import Run

_OLD_NAMES = {
    "ACTOR_ID": ("APIFY_ACTOR_ID", "APIFY_ACT_ID"),
    "ACTOR_RUN_ID": ("APIFY_ACTOR_RUN_ID", "APIFY_ACT_RUN_ID"),
    "ACTOR_BUILD_ID": ("APIFY_ACTOR_BUILD_ID",),
    "ACTOR_BUILD_NUMBER": ("APIFY_ACTOR_BUILD_NUMBER",),
    "ACTOR_TASK_ID": ("APIFY_ACTOR_TASK_ID",),
    "ACTOR_EVENTS_WEBSOCKET_URL": ("APIFY_ACTOR_EVENTS_WS_URL",),
    "ACTOR_WEB_SERVER_PORT": ("APIFY_CONTAINER_PORT", "ACTOR_STANDBY_PORT"),
    "ACTOR_WEB_SERVER_URL": ("APIFY_CONTAINER_URL",),
    "ACTOR_DEFAULT_DATASET_ID": ("APIFY_DEFAULT_DATASET_ID",),
    "ACTOR_DEFAULT_KEY_VALUE_STORE_ID": ("APIFY_DEFAULT_KEY_VALUE_STORE_ID",),
    "ACTOR_DEFAULT_REQUEST_QUEUE_ID": ("APIFY_DEFAULT_REQUEST_QUEUE_ID",),
    "ACTOR_INPUT_KEY": ("APIFY_INPUT_KEY",),
    "ACTOR_MEMORY_MBYTES": ("APIFY_MEMORY_MBYTES",),
    "ACTOR_STARTED_AT": ("APIFY_STARTED_AT",),
    "ACTOR_TIMEOUT_AT": ("APIFY_TIMEOUT_AT",),
}
"""What SDKs before today's called the same."""


_DEFAULTS = {
    "APIFY_LOG_LEVEL": "INFO",
    "APIFY_METAMORPH_AFTER_SLEEP_MILLIS": "300000",
    "APIFY_PERSIST_STATE_INTERVAL_MILLIS": "60000",
}
"""What the Actor's own variables may replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run's process is told about the server around it."""

    api_base_url: str
    """Where the API answers inside the container; without /v2 and without a slash at the end."""
    public_base_url: str
    """Where it answers for people and browsers."""
    token: str
    cpu_cores: float
    """What the container may really use."""
    container_url: str
    container_port: int


def cpu_cores(memory_mbytes: int) -> float:
    """The cores that the API promises for a memory size: one for 4096 MB."""
    return memory_mbytes / MEMORY_MBYTES_PER_CORE


def environment(
    run: Run, around: Surroundings, *, own: Mapping[str, str], deadline: Instant | None, charged: Mapping[str, int]
) -> dict[str, str]:
    """Everything the process finds in its environment. ``own``: the Actor's variables from its version.

    ``charged``: how often each event was charged until now.

    Variables that the Python SDK cannot read empty are left out instead.
    """
    port = own.get("ACTOR_WEB_SERVER_PORT", str(around.container_port))
    base = (
        _identity(run)
        | _pricing(run, charged)
        | _storages(run)
        | _limits(run, around, deadline)
        | _server(run, around)
        | {"ACTOR_WEB_SERVER_PORT": port, "ACTOR_WEB_SERVER_URL": around.container_url}
        | {"ACTOR_STANDBY_URL": around.container_url}
    )
    old = {alias: base[name] for name, aliases in _OLD_NAMES.items() if name in base for alias in aliases}
    return _DEFAULTS | dict(own) | base | old


def _identity(run: Run) -> dict[str, str]:
    document = run.document
    return {
        "ACTOR_ID": document.present_actor_id or run.actor_id,
        "ACTOR_FULL_NAME": f"{document.username}/{document.actor_name}",
        "ACTOR_RUN_ID": run.id,
        "ACTOR_BUILD_ID": run.build_id,
        "ACTOR_BUILD_NUMBER": document.build_number,
        "ACTOR_BUILD_TAGS": ",".join(document.build_tags),
        "ACTOR_TASK_ID": run.task_id or "",
        "ACTOR_PERMISSION_LEVEL": document.permission_level,
        "APIFY_USER_ID": run.owner_id,
        "APIFY_META_ORIGIN": str(run.meta.origin),
        "APIFY_WORKFLOW_KEY": document.workflow_key or run.id,
    }


def _pricing(run: Run, charged: Mapping[str, int]) -> dict[str, str]:
    document = run.document
    return {
        "APIFY_ACTOR_PRICING_INFO": encode(document.pricing_info or {}).decode(),
        "APIFY_CHARGED_ACTOR_EVENT_COUNTS": encode(dict(charged)).decode(),
        "APIFY_USER_PRICING_TIER": str(document.pricing_tier),
    }


def _storages(run: Run) -> dict[str, str]:
    ids = run.document.storage_ids
    return {
        "ACTOR_DEFAULT_DATASET_ID": ids.datasets["default"],
        "ACTOR_DEFAULT_KEY_VALUE_STORE_ID": ids.key_value_stores["default"],
        "ACTOR_DEFAULT_REQUEST_QUEUE_ID": ids.request_queues["default"],
        "ACTOR_STORAGES_JSON": encode(ids).decode(),
        "ACTOR_INPUT_KEY": run.document.input_key,
    }


def _limits(run: Run, around: Surroundings, deadline: Instant | None) -> dict[str, str]:
    options = run.options
    found = {
        "ACTOR_MEMORY_MBYTES": str(options.memory_mbytes),
        "ACTOR_STARTED_AT": str(run.started_at),
        "ACTOR_TIMEOUT_AT": "" if deadline is None else str(deadline),
        "ACTOR_MAX_PAID_DATASET_ITEMS": str(options.max_items) if isinstance(options.max_items, int) else "",
        "ACTOR_MAX_TOTAL_CHARGE_USD": (
            plain(options.max_total_charge_usd) if isinstance(options.max_total_charge_usd, int | float) else ""
        ),
        "APIFY_DEDICATED_CPUS": f"{around.cpu_cores:g}",
    }
    return found | ({"ACTOR_RESTART_ON_ERROR": "1"} if options.restart_on_error is True else {})


def _server(run: Run, around: Surroundings) -> dict[str, str]:
    socket = around.api_base_url.replace("http", "ws", 1)
    return {
        "APIFY_IS_AT_HOME": "1",
        "APIFY_HEADLESS": "1",
        "APIFY_TOKEN": around.token,
        "APIFY_API_BASE_URL": around.api_base_url,
        "APIFY_CLIENT_BASE_URL": around.api_base_url,
        "APIFY_API_PUBLIC_BASE_URL": around.public_base_url,
        "ACTOR_EVENTS_WEBSOCKET_URL": f"{socket}/v2/actor-runs/{run.id}/events?token={around.token}",
        "APIFY_DISABLE_OUTDATED_WARNING": "1",
        "APIFY_USER_IS_PAYING": "",
        # No proxy is offered yet: name this machine, so that no Actor falls back to a proxy of somebody else.
        "APIFY_PROXY_HOSTNAME": "127.0.0.1",
        "APIFY_PROXY_PORT": "8000",
        "APIFY_PROXY_STATUS_URL": "http://127.0.0.1:8000",
    }
