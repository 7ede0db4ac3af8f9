"""Runs that hold their token, for tests of what they may do with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from actorium.database import Tx
from actorium.runs import store
from actorium.runs.changes import save
from asgi_client import Answer
from server_world import ServerWorld, answered
from world import Client

ITEM = [{"n": 1}]
ASK = {"uniqueKey": "u", "url": "http://example.com/"}


@dataclass(frozen=True)
class Running:
    """A running run, and a client that holds its token."""

    id: str
    client: Client
    object: dict[str, Any]

    async def error(self, method: str, path: str, body: Any = None, *, status: int = 403) -> str:
        """The type of the error that the run gets for a call."""
        answer = await self.client.request(method, path, json=body)
        return str(answered(answer, status)["error"]["type"])

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Answer:
        """A call that has to succeed."""
        answer = await self.client.request(method, path, json=body)
        assert answer.status == status, (path, answer.status, answer.body)
        return answer


async def running(world: ServerWorld, actor: str, **query: Any) -> Running:
    run = await world.running(actor, **query)
    return Running(run["id"], Client(world.app, token=world.features.tokens.token(run["id"])), run)


async def limited(world: ServerWorld, name: str = "limited", **more: Any) -> Running:
    return await running(world, await world.actor(name, **more))


async def grant(world: ServerWorld, run_id: str, granted: dict[str, tuple[str, ...]]) -> None:
    """Hand storages over to a run."""

    def work(tx: Tx) -> None:
        run = store.find(tx, run_id)
        assert run is not None
        after = replace(run, document=structs.replace(run.document, granted_storages=granted))
        save(tx, run, after, now=world.clock.now(), event_id=world.features.ground.ids.new())

    await world.database.write(work)
