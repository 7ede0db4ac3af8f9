"""What the suites of the three kinds of storage stand on: services over a pairing of a database and a blob store."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from actorium.blobs import Blobs
from actorium.database import Database, Row, Tx
from actorium.datasets.service import Datasets
from actorium.kernel.ids import SeededIds
from actorium.kernel.meter import Usage
from actorium.kernel.principal import Principal
from actorium.key_value_stores.service import KeyValueStores
from actorium.request_queues.service import RequestQueues
from actorium.storages.accesses import Accesses
from actorium.storages.kinds import DATASETS, KEY_VALUE_STORES, REQUEST_QUEUES
from actorium.storages.schema_checks import SchemaChecks
from actorium.storages.service import Surroundings
from actorium.storages.sweeper import Sweeper
from actorium.testing.clock import ManualClock

ALICE = Principal(user_id="alice000000000000", username="alice", number=1, run_id="run00000000000001")
BOB = Principal(user_id="bob00000000000000", username="bob", number=2)
USERS = {"alice": ALICE.user_id, "bob": BOB.user_id}


class CountingMeter:
    """A meter that remembers."""

    def __init__(self) -> None:
        self.counts: Counter[Usage] = Counter()

    def count(self, run_id: str | None, usage: Usage, amount: int = 1, /) -> None:
        if run_id is not None:
            self.counts[usage] += amount


class Shelf:
    """The services of all kinds of storage."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database = database
        self.blobs = blobs
        self.clock = ManualClock()
        self.ids = SeededIds()
        self.meter = CountingMeter()
        self.accesses = Accesses(database)
        self.schemas = SchemaChecks()
        around = Surroundings(
            database=database,
            clock=self.clock,
            ids=self.ids,
            accesses=self.accesses,
            find_user=lambda _, username: USERS.get(username),
            public_base_url=lambda: "http://localhost:8010",
            schemas=self.schemas,
        )
        self.datasets = Datasets(around, blobs=blobs, meter=self.meter)
        self.stores = KeyValueStores(around, blobs=blobs, meter=self.meter)
        self.queues = RequestQueues(around, meter=self.meter)
        self.sweeper = Sweeper(
            database,
            self.clock,
            {DATASETS: Datasets.clear, KEY_VALUE_STORES: KeyValueStores.clear, REQUEST_QUEUES: RequestQueues.clear},
        )

    async def rows(self, sql: str) -> list[Row]:
        """The rows of a query without parameters."""

        def work(tx: Tx) -> list[Row]:
            return tx.all(sql)

        return await self.database.read(work)

    async def discarded(self) -> set[str]:
        """Keys of blobs that a loop is to delete."""
        return {row["key"] for row in await self.rows("SELECT key FROM blob_garbage")}

    async def blob_keys(self) -> set[str]:
        return {key async for key in self.blobs.keys("")}


class StoresConformance:
    """Give the fixtures ``database``, migrated and closed by whoever made it, and ``blobs``."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    async def shelf(self, database: Database, blobs: Blobs) -> AsyncIterator[Shelf]:
        shelf = Shelf(database, blobs)
        yield shelf
        await shelf.schemas.close()
