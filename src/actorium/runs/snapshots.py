"""One moment of all default storages of a run, copied into those of another one. Blobs are shared, rows are copied."""

from __future__ import annotations

from actorium.database import Tx
from actorium.kernel.limits import FORK_BYTES_MAX, FORK_ROWS_MAX
from actorium.runs.errors import TooLargeToFork
from actorium.runs.model import StorageIds
from actorium.runs.start import Storages
from actorium.storages.extent import NOTHING


class Snapshots:
    """Takes and copies moments. Both steps belong into one transaction: until its end nobody changes the storages."""

    def __init__(self, storages: Storages) -> None:
        self._storages = storages

    def hold_in(self, tx: Tx, ids: StorageIds) -> None:
        """Stop the moment: whoever changes one of the storages waits. Raises TooLargeToFork.

        They are held in the order in which a run's storages are deleted, so that two who want all wait for each other
        and not crosswise. One that was deleted by itself is as if it were empty.
        """
        limit, size = FORK_ROWS_MAX + 1, NOTHING
        for dataset_id in ids.datasets.values():
            size += self._storages.datasets.held_in(tx, dataset_id, limit=limit)
        for store_id in ids.key_value_stores.values():
            size += self._storages.key_value_stores.held_in(tx, store_id, limit=limit)
        for queue_id in ids.request_queues.values():
            size += self._storages.request_queues.held_in(tx, queue_id)
        if size.rows > FORK_ROWS_MAX or size.size > FORK_BYTES_MAX:
            raise TooLargeToFork(
                f"A fork copies up to {FORK_ROWS_MAX} requests, records and pieces of datasets, with {FORK_BYTES_MAX} "
                "bytes outside of blobs; the run's default storages hold more. Start a new run instead and name the "
                "storages of this one in its input, or delete what the fork does not need."
            )

    def copy_in(self, tx: Tx, source: StorageIds, into: StorageIds) -> None:
        """Fill new storages with what the held ones of the same aliases hold."""
        for alias, dataset_id in source.datasets.items():
            self._storages.datasets.copy_in(tx, dataset_id, into.datasets[alias])
        for alias, store_id in source.key_value_stores.items():
            self._storages.key_value_stores.copy_in(tx, store_id, into.key_value_stores[alias])
        for alias, queue_id in source.request_queues.items():
            self._storages.request_queues.copy_in(tx, queue_id, into.request_queues[alias])
