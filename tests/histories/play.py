"""One history: clients play against a server that is killed every few seconds; then everything is read and compared."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from histories import ledger as checks
from histories.clients import CALL_SECS, Stage, adder, drain, pusher, putter, record_body, version_of, worker
from histories.ledger import Ledger
from live_server import LiveServer

LIFE_SECS = (1.5, 4.0)  # how long a server lives before it is killed
CLIENTS = ((pusher, 4), (putter, 3), (adder, 1), (worker, 4))


async def play(server: LiveServer, *, secs: float, seed: int, disturb: Callable[[], None] | None = None) -> Ledger:
    """Play for so long; raises AssertionError with everything that is wrong. Prints what happened.

    ``disturb`` is called between a kill and the next start, every second time: for the engines below the server.
    """
    chance = random.Random(seed)
    started, kills = time.monotonic(), 0
    timeout = aiohttp.ClientTimeout(total=CALL_SECS)
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {server.token}"}
    async with aiohttp.ClientSession(server.url, timeout=timeout, headers=headers, connector=connector) as http:
        stage = await _stage(http)
        clients = [
            asyncio.create_task(act(stage, f"{act.__name__}{number}", random.Random(chance.random())))
            for act, count in CLIENTS
            for number in range(count)
        ]
        while time.monotonic() - started < secs:
            await asyncio.sleep(chance.uniform(*LIFE_SECS))
            await asyncio.to_thread(server.kill)
            kills += 1
            if disturb is not None and kills % 2:
                await asyncio.to_thread(disturb)
            await asyncio.to_thread(server.start)
        await asyncio.sleep(1)
        stage.over = True
        await asyncio.gather(*clients)
        stage.over = False
        await drain(stage)
        wrong = [*stage.refusals, *await _read(stage)]
        print(f"seed {seed}: {kills} kills, {json.dumps(stage.ledger.counters())}, wrong: {len(wrong)}")
        assert not wrong, "\n".join(wrong[:30]) + server.tail()
        return stage.ledger


async def _stage(http: aiohttp.ClientSession) -> Stage:
    ids = []
    for kind in ("datasets", "key-value-stores", "request-queues"):
        async with http.post(f"/v2/{kind}") as reply:
            ids.append(f"/v2/{kind}/{(await reply.json())['data']['id']}")
    return Stage(http, *ids)


async def _read(stage: Stage) -> list[str]:
    """Everything that is wrong with what the server holds now."""
    ledger = stage.ledger
    items = await _json(stage, f"{stage.dataset}/items")
    dataset = (await _json(stage, stage.dataset))["data"]
    wrong = checks.wrong_items(ledger.pushes, items)
    if dataset["itemCount"] != len(items):
        wrong.append(f"itemCount is {dataset['itemCount']}, items are {len(items)}")
    wrong += await _wrong_records(stage)
    wrong += checks.wrong_locks(ledger) + checks.wrong_handling(ledger)
    queue = (await _json(stage, stage.queue))["data"]
    wrong += checks.wrong_requests(ledger, await _unique_keys(stage), queue)
    return wrong


async def _wrong_records(stage: Stage) -> list[str]:
    wrong: list[str] = []
    listed = (await _json(stage, f"{stage.store}/keys"))["data"]["items"]
    sizes = {one["key"]: one["size"] for one in listed}
    keys = {put.key for put in stage.ledger.puts}
    for key in keys:
        async with stage.http.get(f"{stage.store}/records/{key}") as reply:
            body = await reply.read() if reply.status == 200 else None
        version = None if body is None else version_of(key, body)
        wrong.append(checks.wrong_record([put for put in stage.ledger.puts if put.key == key], version))
        if version is not None and version >= 0 and sizes.get(key) != len(record_body(key, version)):
            wrong.append(f"{key} is listed with {sizes.get(key)} bytes")
    if made_up := sizes.keys() - keys:
        wrong.append(f"records that nobody put: {sorted(made_up)}")
    store = (await _json(stage, stage.store))["data"]
    if store["stats"]["storageBytes"] != sum(sizes.values()):
        wrong.append(f"storageBytes is {store['stats']['storageBytes']}, records have {sum(sizes.values())}")
    return [one for one in wrong if one]


async def _unique_keys(stage: Stage) -> list[str]:
    keys: list[str] = []
    cursor = ""
    while True:
        page = (await _json(stage, f"{stage.queue}/requests?limit=10000{cursor}"))["data"]
        keys += [one["uniqueKey"] for one in page["items"]]
        if not page.get("nextCursor"):
            return keys
        cursor = f"&cursor={page['nextCursor']}"


async def _json(stage: Stage, path: str) -> Any:
    async with stage.http.get(path, timeout=aiohttp.ClientTimeout(total=60)) as reply:
        assert reply.status == 200, (path, reply.status, await reply.text())
        return await reply.json()
