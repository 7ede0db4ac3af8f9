"""The storages on a database in memory behind the real edge: for API tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actorium.blobs import Blobs
from actorium.blobs.memory import MemoryBlobs
from actorium.database import Database
from actorium.database.inline import Inline
from actorium.database.migrate import Engine, migrate
from actorium.datasets import api as datasets_api
from actorium.datasets.service import Datasets
from actorium.datasets.sql.boxes import Boxes
from actorium.datasets.sql.service import Queries
from actorium.http.app import HttpApp, HttpLimits
from actorium.kernel.ids import SeededIds
from actorium.key_value_stores import api as key_value_stores_api
from actorium.key_value_stores.service import KeyValueStores
from actorium.request_queues import api as request_queues_api
from actorium.request_queues.service import RequestQueues
from actorium.storages.accesses import Accesses
from actorium.storages.schema_checks import SchemaChecks
from actorium.storages.service import Surroundings
from actorium.testing.clock import ManualClock
from actorium.testing.conformance.stores import CountingMeter
from actorium.users.service import Users
from world import Client

PUBLIC_URL = "http://localhost:8010"


class StorageWorld:
    """A small server. ``alice`` and ``bob`` are clients of two users, ``nobody`` has no token."""

    def __init__(self, database: Database, blobs: Blobs | None = None, *, boxes: Boxes | None = None) -> None:
        self.database = database
        self.clock = ManualClock()
        self.ids = SeededIds()
        self.blobs = blobs or MemoryBlobs()
        self.schemas = SchemaChecks()
        self.users = Users(database, ids=self.ids, clock=self.clock)
        around = Surroundings(
            database=database,
            clock=self.clock,
            ids=self.ids,
            accesses=Accesses(database),
            find_user=self.users.find_id_in,
            public_base_url=lambda: PUBLIC_URL,
            schemas=self.schemas,
        )
        self.around = around
        meter = CountingMeter()
        datasets = Datasets(around, blobs=self.blobs, meter=meter)
        self.app = HttpApp(
            [
                *datasets_api.routes(datasets, Queries(datasets, boxes or Boxes())),
                *key_value_stores_api.routes(KeyValueStores(around, blobs=self.blobs, meter=meter)),
                *request_queues_api.routes(RequestQueues(around, meter=meter)),
            ],
            authenticate=self.users.authenticate,
            clock=self.clock,
            ids=self.ids,
            limits=HttpLimits(rate_scale=0),
        )
        self.nobody = Client(self.app)
        self.alice = self.nobody
        self.bob = self.nobody

    async def client_of(self, username: str) -> Client:
        """A new user's client."""
        _, token = await self.users.create(username)
        return Client(self.app, token=token)


async def open_database() -> Engine:
    """What a world stands on; a test of another pairing puts its own in place of this function."""
    return await Inline.open()


async def open_blobs() -> Blobs:
    """The same for blobs."""
    return MemoryBlobs()


@asynccontextmanager
async def open_storages(blobs: Blobs | None = None, *, boxes: Boxes | None = None) -> AsyncIterator[StorageWorld]:
    """A world with its two users and their tokens."""
    database = await open_database()
    world = StorageWorld(database, blobs or await open_blobs(), boxes=boxes)
    await migrate(database, world.clock.now())
    world.alice = await world.client_of("alice")
    world.bob = await world.client_of("bob")
    try:
        yield world
    finally:
        await world.schemas.close()
        await database.close()


def path_of(url: str) -> str:
    """What follows the server's address in one of its links."""
    assert url.startswith(f"{PUBLIC_URL}/v2/")
    return url.removeprefix(PUBLIC_URL)
