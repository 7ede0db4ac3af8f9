"""Users, Actors and builds on a database in memory behind the real edge, with a fake builder: for API tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actorium.actors import api as actors_api
from actorium.actors import versions_api
from actorium.actors.service import Actors
from actorium.actors.vault import Vault
from actorium.builds import api as builds_api
from actorium.builds import changes
from actorium.builds.builder import BuildLoop
from actorium.builds.definition import Definition
from actorium.builds.for_actors import BuildsForActors
from actorium.builds.lifecycle import TERMINAL
from actorium.builds.service import Builds
from actorium.builds.sources.fetching import Fetcher
from actorium.builds.sources.git import GitRepositories
from actorium.builds.sources.reach import Reach
from actorium.builds.sources.records import Records
from actorium.database import Database, Tx
from actorium.database.inline import Inline
from actorium.database.migrate import Engine, migrate
from actorium.events.waiters import Waiters
from actorium.http.app import HttpApp, HttpLimits
from actorium.kernel.errors import NotFound
from actorium.kernel.ids import SeededIds
from actorium.kernel.meter import Usage
from actorium.key_value_stores.reading import Content
from actorium.logs import api as logs_api
from actorium.logs.service import Logs
from actorium.loops.background import Background
from actorium.testing.builder import FakeBuilder
from actorium.testing.clock import ManualClock
from actorium.users import api as users_api
from actorium.users.model import Quota
from actorium.users.quotas import Quotas
from actorium.users.service import Users
from asgi_client import Answer, AsgiClient

PRICES = {Usage.ACTOR_COMPUTE_UNITS: 0.2}
WAIT_SECS = 10


class World:
    """A small server. ``alice`` and ``bob`` are clients of two users, ``nobody`` has no token."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock()
        self.ids = SeededIds()
        self.background = Background()
        self.waiters = Waiters(database)
        self.logs = Logs(database, self.waiters)
        self.users = Users(database, ids=self.ids, clock=self.clock)
        self.vault = Vault("the secret of a test installation", self.ids)
        self.actors = Actors(
            database,
            users=self.users,
            builds=BuildsForActors(),
            vault=self.vault,
            ids=self.ids,
            clock=self.clock,
        )
        self.builds = Builds(
            database,
            actors=self.actors,
            logs=self.logs,
            waiters=self.waiters,
            quotas=Quotas(Quota()),
            ids=self.ids,
            clock=self.clock,
            prices=PRICES,
            public_base_url="http://here",
        )
        self.builder = FakeBuilder()
        self.sources = Fetcher(
            records=Records(no_records, own=()),
            reach=Reach("127.0.0.0/8"),
            git=GitRepositories(Reach("127.0.0.0/8"), environment=os.environ, ssh_key=None),
            scratch=None,
            clock=self.clock,
        )
        self.builds_in_use: set[str] = set()
        self.woken = asyncio.Event()
        self.loop = self.another_loop()
        self.app = HttpApp(
            [
                *users_api.routes(self.users),
                *actors_api.routes(self.actors),
                *versions_api.routes(self.actors.versions),
                *builds_api.routes(self.builds),
                *logs_api.routes(self.logs),
            ],
            builds_api.aliases(self.builds),
            authenticate=self.users.authenticate,
            clock=self.clock,
            ids=self.ids,
            limits=HttpLimits(rate_scale=0),
        )
        self.nobody = Client(self.app)
        self.alice = self.nobody
        self.bob = self.nobody

    def another_loop(self, *, concurrency: int = 2, alone: bool = False) -> BuildLoop:
        """A build loop as another server would run it on the same database."""
        return BuildLoop(
            self.database,
            builder=self.builder,
            sources=self.sources,
            actors=self.actors,
            users=self.users,
            logs=self.logs,
            background=self.background,
            clock=self.clock,
            ids=self.ids,
            concurrency=concurrency,
            in_use_in=lambda _, build_id: build_id in self.builds_in_use,
            wake=self.woken.set,
            check=no_check,
            alone=alone,
        )

    async def client_of(self, username: str) -> Client:
        """A new user's client."""
        _, token = await self.users.create(username)
        return Client(self.app, token=token)

    async def ended(self, build_id: str) -> str:
        """Tick until a build has ended; its status."""
        async with asyncio.timeout(WAIT_SECS):
            while True:
                await self.loop.tick()
                row = await self.database.read(lambda tx: self.builds.find_in(tx, build_id))
                assert row is not None
                if row.status in TERMINAL:
                    return row.status
                await self.woken.wait()
                self.woken.clear()

    async def events(self) -> list[str]:
        """The types of what happened, sorted."""

        def work(tx: Tx) -> list[str]:
            return [row["type"] for row in tx.all("SELECT type FROM events ORDER BY type")]

        return await self.database.read(work)


class Client(AsgiClient):
    """Sends requests and looks into the replies."""

    async def get(self, target: str, *, status: int = 200) -> Any:
        return await self.call("GET", target, status=status)

    async def post(self, target: str, json: Any = None, *, status: int = 201) -> Any:
        return await self.call("POST", target, json=json, status=status)

    async def put(self, target: str, json: Any = None, *, status: int = 200) -> Any:
        return await self.call("PUT", target, json=json, status=status)

    async def delete(self, target: str, *, status: int = 204) -> Any:
        return await self.call("DELETE", target, status=status)

    async def call(self, method: str, target: str, *, json: Any = None, status: int) -> Any:
        """The ``data`` of a reply with this status; its ``error`` for statuses from 400."""
        answer = await self.request(method, target, json=json)
        return content(answer, status=status)


def content(answer: Answer, *, status: int) -> Any:
    """What is inside the envelope of a reply that must have this status."""
    assert answer.status == status, answer.body
    if not answer.body:
        return None
    return answer.json["error" if status >= 400 else "data"]


async def no_check(definition: Definition) -> Sequence[str]:
    """Definitions are let be."""
    return ()


async def no_records(*_: Any, **__: Any) -> Content:
    """This small server has no key-value stores."""
    raise NotFound


async def open_database() -> Engine:
    """What a world stands on; a test of another database puts its own in place of this function."""
    return Inline()


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """A world with its two users and their tokens."""
    database = await open_database()
    world = World(database)
    await migrate(database, world.clock.now())
    world.background.start("listen", world.waiters.run(changes.CHANNEL))
    world.background.start("listen to logs", world.waiters.run("logs"))
    world.alice = await world.client_of("alice")
    world.bob = await world.client_of("bob")
    try:
        yield world
    finally:
        await world.loop.close()
        await world.background.close()
        await database.close()


def version(*files: tuple[str, str], **more: Any) -> Mapping[str, Any]:
    """A version 0.1 with source files."""
    sources = [{"name": name, "format": "TEXT", "content": text} for name, text in files]
    return {"versionNumber": "0.1", "sourceType": "SOURCE_FILES", "sourceFiles": sources} | more
