"""Starts at once on every pairing: no account passes its limits, and one idempotency key makes one webhook."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from actorium.webhooks import store
from server_world import open_server

pytestmark = pytest.mark.anyio


async def test_starts_at_once_never_pass_the_limits_of_an_account(database: Any) -> None:
    async with open_server(
        loops=False, database=database, user_concurrent_runs=7, user_memory_mbytes=8192
    ) as world:  # fmt: skip
        actors = [await world.actor(f"actor-{n}") for n in range(4)]
        others = await world.actor(client=world.bob)

        async def start(n: int) -> int:
            path = f"/v2/actors/{actors[n % 4]}/runs?memory={(2048, 128)[n % 2]}"
            return (await world.alice.request("POST", path)).status

        async def start_other() -> int:
            return (await world.bob.request("POST", f"/v2/actors/{others}/runs?memory=128")).status

        told = await asyncio.gather(*(start(n) for n in range(40)), *(start_other() for _ in range(5)))
        assert set(told[:40]) == {201, 402}
        assert told[40:] == [201] * 5
        page = await world.alice.get("/v2/actor-runs")
        assert page["total"] == told[:40].count(201) <= 7
        runs = [await world.alice.get(f"/v2/actor-runs/{run['id']}") for run in page["items"]]
        assert sum(run["options"]["memoryMbytes"] for run in runs) <= 8192


async def test_one_key_makes_one_webhook_of_starts_at_once(database: Any) -> None:
    async with open_server(loops=False, database=database) as world:
        actor = await world.actor()
        webhook = {"eventTypes": ["TEST"], "requestUrl": "http://a.example", "idempotencyKey": "k"}
        text = base64.b64encode(json.dumps([webhook]).encode()).decode()
        runs = await asyncio.gather(*(world.start(actor, webhooks=text) for _ in range(12)))
        found = [await database.read(lambda tx, run=run: store.of_run(tx, run["id"])) for run in runs]
        [row] = [row for rows in found for row in rows]
        assert (row.is_ad_hoc, row.idempotency_key, row.document.request_url) == (True, "k", "http://a.example")
