"""Key pairs for secret inputs, and what logs must not show, on every pairing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from actorium.runs.lifecycle import container_name
from server_world import open_server
from world import version

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "isSecret": True}, "b": {"default": 1}}}
DEFINITION = {"actorSpecification": 1, "name": "x", "version": "0.1", "input": SCHEMA}


async def test_secrets_that_come_at_once_have_one_key_and_leave_with_their_run(database: Any) -> None:
    async with open_server(database=database) as world:
        files = (("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(DEFINITION)))
        actor = await world.actor(versions=[version(*files)])
        made = await asyncio.gather(*(world.start(actor, input={"a": f"secret-{n}"}) for n in range(4)))
        rows = await database.read(lambda tx: [row["actor_id"] for row in tx.all("SELECT actor_id FROM input_keys")])
        assert rows == [actor]
        run = await world.running(actor, input={"a": "very secret"})
        world.executor.write(container_name(run["id"], 1), b"it is very secret")
        await world.finished(run["id"])
        assert b"it is *****" in (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
        await world.alice.delete(f"/v2/actor-runs/{run['id']}")
        left = await database.read(lambda tx: {row["run_id"] for row in tx.all("SELECT run_id FROM run_secrets")})
        assert left == {one["id"] for one in made}
