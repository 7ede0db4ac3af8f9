"""The three kinds of storage, as far as what they share differs by a word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of storage."""

    table: str
    noun: str
    """As in messages: key-value store."""
    path: str
    """As in routes: key-value-stores."""


DATASETS = Kind(table="datasets", noun="dataset", path="datasets")
KEY_VALUE_STORES = Kind(table="key_value_stores", noun="key-value store", path="key-value-stores")
REQUEST_QUEUES = Kind(table="request_queues", noun="request queue", path="request-queues")
KINDS = (DATASETS, KEY_VALUE_STORES, REQUEST_QUEUES)
