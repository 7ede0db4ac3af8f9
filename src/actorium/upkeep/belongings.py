"""What each table is about, and how its rows lead to their owner. A test wants a line for every table of the schema."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """One table's."""

    kind: str
    """As people call it."""
    owner: str = ""
    """The column that names the user; in the parent, if there is one."""
    parent: str = ""
    """The table of which these rows are parts, whose key is one column."""
    part_of: str = ""
    """The column here that names the row there."""


BOOKKEEPING = Belonging(kind="bookkeeping")
STORAGES = ("datasets", "key_value_stores", "request_queues")
_DATASETS, _STORES, _QUEUES = "datasets", "key-value stores", "request queues"


def _own(kind: str, owner: str = "owner_id") -> Belonging:
    return Belonging(kind=kind, owner=owner)


def _part(kind: str, parent: str, part_of: str) -> Belonging:
    return Belonging(kind=kind, owner="owner_id", parent=parent, part_of=part_of)


TABLES = {
    "actor_approvals": _own("actors", "user_id"),
    "actor_uses": _own("actors", "user_id"),
    "actor_versions": _part("actors", "actors", "actor_id"),
    "actors": _own("actors"),
    "blob_garbage": BOOKKEEPING,
    "blob_suspects": BOOKKEEPING,
    "brakes": _own("users"),
    "build_numbers": _part("builds", "actors", "actor_id"),
    "builds": _own("builds"),
    "dataset_chunks": _part(_DATASETS, "datasets", "dataset_id"),
    "dataset_merges": _part(_DATASETS, "datasets", "dataset_id"),
    "datasets": _own(_DATASETS),
    "events": _own("events"),
    "input_keys": _own("input keys", "user_id"),
    "installation": BOOKKEEPING,
    "key_value_records": _part(_STORES, "key_value_stores", "store_id"),
    "key_value_stores": _own(_STORES),
    "log_chunks": _part("logs", "logs", "subject_id"),
    "logs": _own("logs"),
    "nodes": BOOKKEEPING,
    "queue_requests": _part(_QUEUES, "request_queues", "queue_id"),
    "request_queues": _own(_QUEUES),
    "run_counts": _own("runs"),
    "run_secrets": _part("runs", "runs", "run_id"),
    "run_budgets": _part("runs", "runs", "run_id"),
    "run_charge_keys": _part("runs", "runs", "run_id"),
    "run_charges": _part("runs", "runs", "run_id"),
    "run_spending": _part("runs", "runs", "run_id"),
    "run_stats": _part("runs", "runs", "run_id"),
    "run_usage": _part("runs", "runs", "run_id"),
    "runs": _own("runs"),
    "schema_migrations": BOOKKEEPING,
    "spending": _own("users"),
    "storage_remains": BOOKKEEPING,
    "tasks": _own("tasks"),
    "tokens": _own("users", "user_id"),
    "users": _own("users", "id"),
    "webhooks": _own("webhooks"),
}
