"""From what a run did to what it used and what that costs: the API's twelve usage keys and a price table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from actorium.kernel.meter import Usage

GIGABYTE = 1_000_000_000

PRICES_USD: Mapping[Usage, float] = {
    Usage.ACTOR_COMPUTE_UNITS: 0.20,
    Usage.DATASET_READS: 0.0004 / 1000,
    Usage.DATASET_WRITES: 0.005 / 1000,
    Usage.KEY_VALUE_STORE_READS: 0.005 / 1000,
    Usage.KEY_VALUE_STORE_WRITES: 0.05 / 1000,
    Usage.KEY_VALUE_STORE_LISTS: 0.05 / 1000,
    Usage.REQUEST_QUEUE_READS: 0.004 / 1000,
    Usage.REQUEST_QUEUE_WRITES: 0.01 / 1000,
    Usage.DATA_TRANSFER_INTERNAL_GBYTES: 0.05,
    Usage.DATA_TRANSFER_EXTERNAL_GBYTES: 0.20,
    Usage.PROXY_RESIDENTIAL_TRANSFER_GBYTES: 8.0,
    Usage.PROXY_SERPS: 2.5 / 1000,
}
"""USD a unit, the platform's published prices of its lowest plan; ACTORIUM_PRICES replaces single ones."""


def prices_of(own: Mapping[str, float]) -> dict[Usage, float]:
    """The table with the installation's own prices."""
    return {**PRICES_USD, **{Usage(key): usd for key, usd in own.items()}}


COUNTED = (
    Usage.DATASET_READS,
    Usage.DATASET_WRITES,
    Usage.KEY_VALUE_STORE_READS,
    Usage.KEY_VALUE_STORE_WRITES,
    Usage.KEY_VALUE_STORE_LISTS,
    Usage.REQUEST_QUEUE_READS,
    Usage.REQUEST_QUEUE_WRITES,
)
"""The keys that are counts of storage operations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a run used so far, by usage key. A key that this host cannot measure is absent."""

    amounts: Mapping[Usage, float | int]

    def usd(self, prices: Mapping[Usage, float]) -> dict[str, float]:
        """The same keys in USD, at the prices in force now."""
        return {key: amount * prices[key] for key, amount in self.amounts.items()}


def compute_units(memory_mbytes: int, active_millis: int) -> float:
    """Gigabytes of memory times hours, counted in whole seconds. One unit is 1024 MB for one hour."""
    return memory_mbytes / 1024 * math.ceil(active_millis / 1000) / 3600


def used(
    *,
    units: float,
    operations: Mapping[Usage, int],
    internal_bytes: int | None,
    external_bytes: int | None,
) -> Used:
    """Put a run's usage together. Transfer that was not measured is left out, never 0."""
    amounts: dict[Usage, float | int] = {Usage.ACTOR_COMPUTE_UNITS: units}
    amounts |= {key: operations.get(key, 0) for key in COUNTED}
    if internal_bytes is not None:
        amounts[Usage.DATA_TRANSFER_INTERNAL_GBYTES] = internal_bytes / GIGABYTE
    if external_bytes is not None:
        amounts[Usage.DATA_TRANSFER_EXTERNAL_GBYTES] = external_bytes / GIGABYTE
    return Used(amounts=amounts)
