"""What a run used, counted in memory and flushed by a loop: metering costs no write per operation."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Usage(StrEnum):
    """The API's own usage keys."""

    ACTOR_COMPUTE_UNITS = "ACTOR_COMPUTE_UNITS"
    DATASET_READS = "DATASET_READS"
    DATASET_WRITES = "DATASET_WRITES"
    KEY_VALUE_STORE_READS = "KEY_VALUE_STORE_READS"
    KEY_VALUE_STORE_WRITES = "KEY_VALUE_STORE_WRITES"
    KEY_VALUE_STORE_LISTS = "KEY_VALUE_STORE_LISTS"
    REQUEST_QUEUE_READS = "REQUEST_QUEUE_READS"
    REQUEST_QUEUE_WRITES = "REQUEST_QUEUE_WRITES"
    DATA_TRANSFER_INTERNAL_GBYTES = "DATA_TRANSFER_INTERNAL_GBYTES"
    DATA_TRANSFER_EXTERNAL_GBYTES = "DATA_TRANSFER_EXTERNAL_GBYTES"
    PROXY_RESIDENTIAL_TRANSFER_GBYTES = "PROXY_RESIDENTIAL_TRANSFER_GBYTES"
    PROXY_SERPS = "PROXY_SERPS"


class Meter(Protocol):
    """Adds up storage operations per run."""

    def count(self, run_id: str | None, usage: Usage, amount: int = 1, /) -> None:
        """Add to a run's usage; None (a call by a user, not by a run) counts nowhere."""
        ...
