"""The loops of retention over the services of the storages, and ended runs to try them on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from actorium.database import Database, Tx, Work
from actorium.events.waiters import Waiters
from actorium.kernel.principal import Principal
from actorium.logs.service import Logs
from actorium.runs import store
from actorium.runs.lifecycle import Life, RunStatus
from actorium.runs.model import RunMeta, RunOptions, RunOrigin, StorageIds
from actorium.runs.retention import RunRetention
from actorium.runs.row import Document, Run
from actorium.storages.kinds import KINDS
from actorium.storages.retention import StorageRetention
from actorium.testing.conformance.stores import ALICE, Shelf

DAYS = 7
KEPT = 2
MILLI = 0.001


class Keeper:
    """The loops of retention, and the runs they are about."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.logs = Logs(shelf.database, Waiters(shelf.database))

    def storages(self, *, days: int = DAYS) -> StorageRetention:
        shelf = self.shelf
        return StorageRetention(shelf.database, shelf.clock, accesses=shelf.accesses, is_kept=store.exists, days=days)

    def runs(self, *, days: int = DAYS, newest_kept: int = 0, database: Any = None) -> RunRetention:
        shelf = self.shelf
        return RunRetention(
            database or shelf.database,
            shelf.clock,
            logs=self.logs,
            accesses=shelf.accesses,
            days=days,
            newest_kept=newest_kept,
        )

    async def run(self, *, actor: str = "actor", of: Principal = ALICE, ended: bool = True) -> Run:
        """A new run that started now and, if wanted, ended in the same moment."""
        shelf, ids = self.shelf, self.shelf.ids
        now = shelf.clock.now()
        run = Run(
            id=ids.new(),
            owner_id=of.user_id,
            actor_id=actor,
            build_id="build",
            meta=RunMeta(origin=RunOrigin.API),
            started_at=now,
            web_port=int(ids.new(), 36) % 10**9,
            life=Life(status=RunStatus.SUCCEEDED, finished_at=now) if ended else Life(),
            document=Document(
                actor_name=actor,
                username="alice",
                starter_name=of.username,
                owner_number=of.number,
                build_number="0.1.1",
                image_reference="image",
                options=RunOptions(build="latest", timeout_secs=0, memory_mbytes=256, disk_mbytes=512),
                storage_ids=StorageIds(
                    datasets={"default": ids.new()},
                    key_value_stores={"default": ids.new()},
                    request_queues={"default": ids.new()},
                ),
            ),
        )

        def work(tx: Tx) -> None:
            for create, storage_id in (
                (shelf.datasets.create_in, dataset_of(run)),
                (shelf.stores.create_in, run.document.storage_ids.key_value_stores["default"]),
                (shelf.queues.create_in, run.document.storage_ids.request_queues["default"]),
            ):
                create(tx, id=storage_id, owner_id=run.owner_id, now=now, created_by_run=run.id)
            self.logs.create_in(tx, subject_id=run.id, owner_id=run.owner_id)
            self.logs.append_in(tx, run.id, [(now, b"hello")])
            store.add(tx, run)

        await shelf.database.write(work)
        return run

    async def left(self, table: str) -> set[str]:
        column = "subject_id" if table.startswith("log") else "id"
        return {row[column] for row in await self.shelf.rows(f"SELECT {column} FROM {table}")}

    async def everything(self) -> dict[str, set[str]]:
        return {
            table: await self.left(table) for table in ("runs", "logs", "log_chunks", *(one.table for one in KINDS))
        }


def dataset_of(run: Run) -> str:
    return run.document.storage_ids.datasets["default"]


def all_of(*runs: Run) -> dict[str, set[str]]:
    ids = [run.document.storage_ids for run in runs]
    of_runs = {run.id for run in runs}
    return {
        "runs": of_runs,
        "logs": of_runs,
        "log_chunks": of_runs,
        "datasets": {one.datasets["default"] for one in ids},
        "key_value_stores": {one.key_value_stores["default"] for one in ids},
        "request_queues": {one.request_queues["default"] for one in ids},
    }


class Interrupted:
    """A database before whose first write somebody else does something."""

    def __init__(self, database: Database, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile
        self.read = database.read

    async def write(self, work: Work[Any], *, lane: str = "") -> Any:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await self._database.write(work, lane=lane)
